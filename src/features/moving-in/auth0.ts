import { idFromName, leavesFile, quoteKeywords, takeTenant } from './auth0-tenant.ts';
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
import { settleSecret } from './secret.ts';
import {
  settleAlgorithm,
  settleGrants,
  settleKeys,
  settleLink,
  settleMethod,
  settleName,
  settleSwitch,
  settleType,
  settleUris,
} from './settle.ts';

/**
 * Owns the reading of an application of an Auth0 tenant.
 * @see https://auth0.github.io/node-auth0/interfaces/management.Management.GetClientResponseContent.html for the fields
 * @see https://auth0.github.io/auth0.net/api/Auth0.ManagementApi.CreateClientRequestContent.html for the patterns that addresses may have
 * @see https://auth0.com/docs/get-started/applications/application-grant-types for the grants
 */

const RULES: Record<string, Rule> = {
  ...Object.fromEntries(
    [
      ...[
        'client_id',
        'name',
        'client_secret',
        'callbacks',
        'allowed_logout_urls',
        'app_type',
        'grant_types',
        'token_endpoint_auth_method',
      ],
      ...['jwt_configuration', 'global'],
    ].map((field) => [field, ELSEWHERE]),
  ),
  logo_uri: (value, draft) => settleLink(draft, 'logo_uri', value, 'logo_uri'),
  initiate_login_uri: 'people begin at the app here, and are not sent to it',
  require_pushed_authorization_requests: (value, draft) =>
    settleSwitch(draft, 'require_pushed_authorization_requests', value, 'require_pushed_authorization_requests'),
  tenant: 'there is one place here',
  description: 'people read the name alone',
  client_metadata: 'nothing is kept beside what the standard has',
  addons: 'this server speaks OAuth 2.0 and OpenID Connect alone',
  web_origins: 'a page may call this server from the origin of a redirect URI of a client without a secret: there is nothing to set',
  allowed_origins: 'a page may call this server from the origin of a redirect URI of a client without a secret: there is nothing to set',
  cross_origin_authentication: "people sign in on this server's own page",
  cross_origin_auth: "people sign in on this server's own page",
  custom_login_page: "people sign in on this server's own page",
  custom_login_page_on: "people sign in on this server's own page",
  refresh_token: 'refresh tokens are used once here and live 14 days, for every client',
  is_first_party: 'people are asked by every client here, once',
  oidc_conformant: 'every client is one of OpenID Connect here',
  sso: 'people who are signed in stay so for every client here',
  signing_keys: 'this server signs by keys of its own',
  oidc_logout: 'clients are not told of a sign-out here',
  oidc_backchannel_logout: 'clients are not told of a sign-out here',
  organization_usage: 'there are no organizations here',
  organization_require_behavior: 'there are no organizations here',
  client_authentication_methods: 'it has names of keys, and not the keys',
};

export const AUTH0: Source = {
  expected:
    'applications of an Auth0 tenant, as GET /api/v2/clients gives them: an array of objects with "client_id", "callbacks" and "app_type", an object that has it as "clients", one application, or the folder or tenant.yaml of deploy-cli',
  take: takeTenant,
  leaves: leavesFile,
  prepare: quoteKeywords,
  idOf: (record) => textOf(record['client_id']) || idFromName(textOf(record['name'])),
  read(draft, record) {
    if (record['global'] === true) {
      draft.passedOver = "it is the tenant's own, and stands for all applications";
      return;
    }
    settleName(draft, 'name', record['name']);
    if (!textOf(record['client_id']))
      changed(draft, 'client_id', {
        from: '',
        to: draft.clientId,
        why: 'the file has none, so it was made from the name: write the old one into the file to keep it, or give apps this one',
      });
    readType(draft, record);
    settleUris(draft, 'callbacks', record['callbacks'], 'redirect_uris');
    settleUris(draft, 'allowed_logout_urls', record['allowed_logout_urls'], 'post_logout_redirect_uris');
    settleMethod(draft, 'token_endpoint_auth_method', methodOf(record));
    settleSecret(draft, 'client_secret', record['client_secret']);
    settleGrants(draft, 'grant_types', grantsOf(record));
    readTokens(draft, record['jwt_configuration']);
    walk(draft, record, RULES);
    settleKeys(draft);
  },
};

function readType(draft: Draft, record: Fields): void {
  const type = textOf(record['app_type']);
  if (type) kept(draft, 'app_type', type);
  settleType(draft, stringsOf(record['callbacks']), { native: type === 'native', secretless: methodOf(record) === 'none' });
}

/** A client that cannot keep a secret gets none, even if its record has one. */
function methodOf(record: Fields): string {
  const type = textOf(record['app_type']);
  const said = textOf(record['token_endpoint_auth_method']);
  if (said) return said;
  // It authenticates with keys only, and the record has only their names.
  if (isFields(record['client_authentication_methods']) && record['client_authentication_methods']['private_key_jwt'])
    return 'private_key_jwt';
  return type === 'spa' || type === 'native' ? 'none' : 'client_secret_basic';
}

/** Without grants, the kind of application decides. */
function grantsOf(record: Fields): string[] {
  const grants = stringsOf(record['grant_types']);
  if (grants.length) return grants;
  return textOf(record['app_type']) === 'non_interactive' ? ['client_credentials'] : ['authorization_code', 'refresh_token'];
}

function readTokens(draft: Draft, configuration: unknown): void {
  if (!isFields(configuration)) return;
  const { alg, ...others } = configuration;
  if (alg) settleAlgorithm(draft, 'jwt_configuration.alg', alg);
  for (const [field, value] of Object.entries(others))
    if (value) dropped(draft, `jwt_configuration.${field}`, 'how ID Tokens are made is the same for every client', value);
}
