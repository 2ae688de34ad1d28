import {
  changed,
  type Draft,
  dropped,
  ELSEWHERE,
  type Fields,
  isFields,
  kept,
  type Rule,
  type Source,
  stringsOf,
  textOf,
  walk,
} from './draft.ts';
import { takeRealms } from './keycloak-realm.ts';
import { settleSecret } from './secret.ts';
import {
  DEVICE_GRANT,
  settleAlgorithm,
  settleGrants,
  settleKeys,
  settleLink,
  settleMethod,
  settleName,
  settleScopes,
  settleSwitch,
  settleType,
  settleUris,
} from './settle.ts';

/**
 * Owns the reading of a client in a Keycloak realm export.
 * @see https://www.keycloak.org/docs-api/latest/javadocs/org/keycloak/representations/idm/ClientRepresentation.html for the fields
 * @see https://candrews.integralblue.com/2021/09/users-and-client-secrets-in-keycloak-realm-exports/ for what the console's export leaves
 * out
 */

/** Clients that Keycloak creates in every realm for its own pages. */
const BUILT_IN = ['account', 'account-console', 'admin-cli', 'broker', 'realm-management', 'security-admin-console'];

// Fields that this server has for all clients alike, or not at all.
const RULES: Record<string, Rule> = {
  ...Object.fromEntries(
    [
      ...[
        'clientId',
        'name',
        'enabled',
        'protocol',
        'publicClient',
        'clientAuthenticatorType',
        'secret',
        'rootUrl',
        'redirectUris',
        'attributes',
      ],
      ...['standardFlowEnabled', 'implicitFlowEnabled', 'directAccessGrantsEnabled', 'serviceAccountsEnabled', 'defaultClientScopes'],
      ...['optionalClientScopes', 'bearerOnly'],
    ].map((field) => [field, ELSEWHERE]),
  ),
  webOrigins: 'a page may call this server from the origin of a redirect URI of a client without a secret: there is nothing to set',
  protocolMappers: 'claims follow from scopes here',
  consentRequired: (value, draft) => kept(draft, 'consentRequired', value),
  fullScopeAllowed: 'there are no roles in tokens here',
  defaultRoles: 'there are no roles in tokens here',
  registrationAccessToken: "the client is an operator's from now on",
  authorizationSettings: 'rules of an API are for the API to keep',
  authorizationServicesEnabled: 'rules of an API are for the API to keep',
  authenticationFlowBindingOverrides: 'everybody signs in the same way here',
  frontchannelLogout: 'clients are not told of a sign-out here',
  adminUrl: 'clients are not called by this server',
  notBefore: 'tokens of the other server mean nothing here',
  id: 'clients are known by their client_id',
  baseUrl: (value, draft) => settleLink(draft, 'baseUrl', value, 'client_uri'),
};

const ATTRIBUTES: Record<string, Rule> = {
  ...Object.fromEntries(
    [
      ...['post.logout.redirect.uris', 'oauth2.device.authorization.grant.enabled', 'use.refresh.tokens', 'jwks.url', 'use.jwks.url'],
      ...['jwks.string', 'use.jwks.string'],
    ].map((field) => [field, ELSEWHERE]),
  ),
  'pkce.code.challenge.method'(value, draft) {
    // Keycloak requires PKCE only of a client that names a method.
    if (value) draft.metadata['require_pkce'] = true;
    if (value === 'S256') kept(draft, 'attributes.pkce.code.challenge.method', value);
    else changed(draft, 'attributes.pkce.code.challenge.method', { from: value, to: 'S256', why: 'it is the one method here' });
  },
  'id.token.signed.response.alg': (value, draft) => settleAlgorithm(draft, 'attributes.id.token.signed.response.alg', value),
  'require.pushed.authorization.requests': (value, draft) =>
    settleSwitch(draft, 'attributes.require.pushed.authorization.requests', value, 'require_pushed_authorization_requests'),
  'dpop.bound.access.tokens': (value, draft) =>
    settleSwitch(draft, 'attributes.dpop.bound.access.tokens', value, 'dpop_bound_access_tokens'),
  logoUri: (value, draft) => settleLink(draft, 'attributes.logoUri', value, 'logo_uri'),
  policyUri: (value, draft) => settleLink(draft, 'attributes.policyUri', value, 'policy_uri'),
  tosUri: (value, draft) => settleLink(draft, 'attributes.tosUri', value, 'tos_uri'),
  'backchannel.logout.url': 'clients are not told of a sign-out here',
  'backchannel.logout.session.required': 'clients are not told of a sign-out here',
  'frontchannel.logout.url': 'clients are not told of a sign-out here',
  'access.token.lifespan': 'how long tokens live is said by the API that they are for',
  'client.secret.creation.time': 'a secret is as old here as its import',
  'oidc.ciba.grant.enabled': 'this server has no such grant',
  'standard.token.exchange.enabled': 'an operator lets a client do so once it is here: munjigi clients allow-services',
};

export const KEYCLOAK: Source = {
  expected:
    'a realm export of Keycloak, an object with "clients" or "users", an array of such objects or of clients with "clientId", one client, or the YAML of keycloak-config-cli',
  take: takeRealms,
  idOf: (record) => textOf(record['clientId']),
  read(draft, record, scopes) {
    const why = whyPassedOver(draft.clientId, record);
    if (why) {
      draft.passedOver = why;
      return;
    }
    const attributes = attributesOf(record);
    // Names of Keycloak's own clients are keys of its translations.
    if (!/^\$\{.*\}$/.test(textOf(record['name']))) settleName(draft, 'name', record['name']);
    if (record['enabled'] === false) {
      draft.suspended = true;
      changed(draft, 'enabled', { from: false, to: 'suspended', why: 'munjigi clients restore lets it in' });
    }
    readAddresses(draft, record, attributes);
    readAuthentication(draft, record, attributes);
    readGrants(draft, record, attributes);
    readScopes(draft, record, scopes);
    if (record['consentRequired'] !== true)
      changed(draft, 'consentRequired', { from: false, to: true, why: 'users are asked for their consent by every client here, once' });
    walk(draft, record, RULES);
    walk(draft, attributes, ATTRIBUTES, 'attributes.');
    settleKeys(draft);
  },
};

/** An export has texts alone. YAML has true and false too. */
const attributesOf = ({ attributes }: Fields): Fields =>
  isFields(attributes)
    ? Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, typeof value === 'boolean' ? String(value) : value]))
    : {};

function whyPassedOver(clientId: string, record: Fields): string | undefined {
  if (BUILT_IN.includes(clientId)) return "it is Keycloak's own";
  if (textOf(record['protocol']) === 'saml')
    return 'it speaks SAML, and this server OAuth 2.0: register it anew once it speaks OpenID Connect';
  if (record['bearerOnly'] === true)
    return 'it is an API that gets tokens and asks for none: make it a resource server, and let it introspect by munjigi clients create --introspects';
  return undefined;
}

function readAddresses(draft: Draft, record: Fields, attributes: Fields): void {
  const uris = absolute(draft, record);
  settleType(draft, uris, { native: false, secretless: record['publicClient'] === true });
  settleUris(draft, 'redirectUris', uris, 'redirect_uris');
  const field = 'attributes.post.logout.redirect.uris';
  const after = textOf(attributes['post.logout.redirect.uris']).split('##').filter(Boolean);
  // A plus means the redirect URIs; a minus means none.
  const meant = after.flatMap((uri) => (uri === '+' ? stringsOf(draft.metadata['redirect_uris']) : uri === '-' ? [] : [uri]));
  if (after.includes('+')) changed(draft, field, { from: '+', to: meant.join(' '), why: 'each address is registered in full' });
  settleUris(draft, field, meant, 'post_logout_redirect_uris');
}

/** Resolves relative addresses against `rootUrl`. */
function absolute(draft: Draft, record: Fields): string[] {
  const root = textOf(record['rootUrl']).replace(/\/$/, '');
  return stringsOf(record['redirectUris']).map((uri) => {
    if (!uri.startsWith('/') || !root) return uri;
    changed(draft, 'redirectUris', { from: uri, to: `${root}${uri}`, why: 'each address is registered in full' });
    return `${root}${uri}`;
  });
}

function readAuthentication(draft: Draft, record: Fields, attributes: Fields): void {
  const type = textOf(record['clientAuthenticatorType']) || 'client-secret';
  if (record['publicClient'] === true) {
    settleMethod(draft, 'publicClient', 'none');
    if (record['secret']) dropped(draft, 'secret', 'a public client has none');
    return;
  }
  if (type === 'client-jwt') {
    settleMethod(draft, 'clientAuthenticatorType', 'private_key_jwt');
    readKeys(draft, attributes);
    return;
  }
  if (type === 'client-secret') {
    draft.metadata['token_endpoint_auth_method'] = 'client_secret_basic';
    const why = 'a client authenticates in one way here: by Basic, and not by client_secret in the body';
    changed(draft, 'clientAuthenticatorType', { from: type, to: 'client_secret_basic', why });
  } else settleMethod(draft, 'clientAuthenticatorType', type === 'client-secret-jwt' ? 'client_secret_jwt' : type);
  settleSecret(draft, 'secret', record['secret']);
}

function readKeys(draft: Draft, attributes: Fields): void {
  if (attributes['use.jwks.url'] === 'true') settleLink(draft, 'attributes.jwks.url', attributes['jwks.url'], 'jwks_uri');
  if (attributes['use.jwks.string'] !== 'true') return;
  try {
    draft.metadata['jwks'] = JSON.parse(textOf(attributes['jwks.string']));
    kept(draft, 'attributes.jwks.string');
  } catch {
    dropped(draft, 'attributes.jwks.string', 'it is no JSON Web Key Set');
  }
}

function readGrants(draft: Draft, record: Fields, attributes: Fields): void {
  const refreshes = attributes['use.refresh.tokens'] !== 'false';
  const grants = {
    standardFlowEnabled: says(record['standardFlowEnabled'], true) ? ['authorization_code', ...(refreshes ? ['refresh_token'] : [])] : [],
    implicitFlowEnabled: says(record['implicitFlowEnabled'], false) ? ['implicit'] : [],
    directAccessGrantsEnabled: says(record['directAccessGrantsEnabled'], false) ? ['password'] : [],
    serviceAccountsEnabled: says(record['serviceAccountsEnabled'], false) ? ['client_credentials'] : [],
    device:
      attributes['oauth2.device.authorization.grant.enabled'] === 'true' ? [DEVICE_GRANT, ...(refreshes ? ['refresh_token'] : [])] : [],
  };
  settleGrants(draft, 'grants (standardFlowEnabled …)', Object.values(grants).flat());
}

/** @returns a switch, or what Keycloak takes it for where the export leaves it out. YAML with variables has texts. */
const says = (value: unknown, absent: boolean): boolean =>
  value === undefined || value === null ? absent : value === true || value === 'true';

/** Keycloak adds default scopes to every request. Here the client may request both kinds. */
function readScopes(draft: Draft, record: Fields, known: string[]): void {
  const said = [...stringsOf(record['defaultClientScopes']), ...stringsOf(record['optionalClientScopes'])];
  if (!said.length) return;
  const people = stringsOf(draft.metadata['grant_types']).some((grant) => grant !== 'client_credentials');
  settleScopes(draft, 'defaultClientScopes, optionalClientScopes', [...(people ? ['openid'] : []), ...said], known);
}
