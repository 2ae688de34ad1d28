import { displayName } from '../../oauth/clients/display-name.ts';
import { SELF_SERVICE_GRANTS } from '../../oauth/clients/metadata/registration-limits.ts';
import { hasAppScheme, isNativeByAddress, redirectUriProblem } from '../../oauth/clients/redirect-uri.ts';
import { SIGNING_ALGORITHMS } from '../../oauth/clients/signing-algorithms.ts';
import { changed, type Draft, dropped, kept, refuse, stringsOf, textOf } from './draft.ts';

/** Owns the differences between other servers' rules and ours, in terms of RFC 7591: what is imported, changed or dropped, and why. */

const MAX_URIS = 10;
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

const NO_PASSWORDS = "apps do not see passwords here: people sign in on this server's own page (RFC 9700 section 2.4)";

const GRANTS_DROPPED: Record<string, string> = {
  implicit: 'tokens in addresses leak: the app takes a code instead, with PKCE (RFC 9700 section 2.1.2)',
  password: NO_PASSWORDS,
  'http://auth0.com/oauth/grant-type/password-realm': NO_PASSWORDS,
  'http://auth0.com/oauth/legacy/grant-type/ro': NO_PASSWORDS,
  'urn:ietf:params:oauth:grant-type:token-exchange': 'an operator lets a client do so once it is here: munjigi clients allow-services',
  'urn:ietf:params:oauth:grant-type:jwt-bearer': 'this server takes no assertion as a grant',
};

export function settleName(draft: Draft, field: string, name: unknown): void {
  if (typeof name !== 'string' || !name) return;
  const shown = displayName(name, draft.clientId);
  draft.metadata['client_name'] = shown;
  draft.name = shown;
  if (shown === name) kept(draft, field, shown);
  else
    changed(draft, field, {
      from: name,
      to: shown,
      why: 'people read it: one line of 100 characters, without those that hide or reorder others',
    });
}

/**
 * @param native whether the other server calls it an app on users' devices. @param secretless whether it is a public client. A client with
 * a secret and loopback addresses is a web client in development.
 */
export function settleType(draft: Draft, uris: string[], { native, secretless }: { native: boolean; secretless: boolean }): void {
  const own = uris.some((uri) => hasAppScheme(uri) && redirectUriProblem(uri) === undefined);
  if (
    !native &&
    !own &&
    !isNativeByAddress(
      uris.filter((uri) => redirectUriProblem(uri) === undefined),
      secretless,
    )
  )
    return;
  draft.metadata['application_type'] = 'native';
  if (!native)
    changed(draft, 'application_type', { from: '', to: 'native', why: "it leads to an app on the person's own device (RFC 8252)" });
}

/** Imports the valid addresses, and those that the operator gives. */
export function settleUris(draft: Draft, field: string, said: unknown, member: 'redirect_uris' | 'post_logout_redirect_uris'): void {
  const right: string[] = [];
  const take = (from: string, uri: string) => {
    const problem = right.length === MAX_URIS ? `must not have more than ${MAX_URIS} members` : redirectUriProblem(uri);
    if (problem) return dropped(draft, from, `${member} ${problem}${insteadOf(uri)}`, uri);
    right.push(uri);
    kept(draft, from, uri);
  };
  const texts = new Set(stringsOf(said));
  for (const uri of member === 'redirect_uris' ? draft.given : []) take('--redirect-uris', uri);
  for (const uri of texts) if (!right.includes(uri)) take(field, uri);
  for (const other of Array.isArray(said) ? said : [])
    if (typeof other !== 'string') dropped(draft, field, `${member} must have texts alone`, other);
  if (right.length) draft.metadata[member] = right;
}

/** @returns a suggestion to replace a pattern. */
function insteadOf(uri: string): string {
  if (!uri.includes('*')) return '';
  const written = uri.replace('//*.', '//www.').replace(/\/?\*.*$/, '/callback');
  return redirectUriProblem(written) === undefined ? `, such as ${written}` : '';
}

export function settleGrants(draft: Draft, field: string, said: string[]): void {
  const grants = new Set(said.filter((grant) => SELF_SERVICE_GRANTS.includes(grant)));
  for (const grant of new Set(said))
    if (!grants.has(grant)) dropped(draft, field, GRANTS_DROPPED[grant] ?? 'this server has no such grant', grant);
  if (grants.has('client_credentials') && draft.metadata['token_endpoint_auth_method'] === 'none') {
    grants.delete('client_credentials');
    dropped(draft, field, 'a client without credentials cannot act for itself (RFC 6749 section 4.4)', 'client_credentials');
  }
  const forPeople = grants.has('authorization_code') || grants.has(DEVICE_GRANT) || said.includes('implicit');
  if (!forPeople && grants.delete('refresh_token')) dropped(draft, field, 'there is nothing that it would refresh', 'refresh_token');
  if (said.includes('implicit') && !grants.has('authorization_code')) {
    grants.add('authorization_code');
    changed(draft, field, { from: 'implicit', to: 'authorization_code', why: 'the app has to be changed to it, with PKCE' });
  }
  if (grants.has('authorization_code') && !draft.metadata['redirect_uris']) withoutAddress(draft, field, grants);
  const same = [...grants].filter((grant) => said.includes(grant));
  if (same.length) kept(draft, field, same.join(' '));
  draft.metadata['grant_types'] = [...grants];
  draft.metadata['response_types'] = grants.has('authorization_code') ? ['code'] : [];
  if (!grants.size && !draft.waits)
    refuse(
      draft,
      'nothing is left that it could do here: give it authorization_code or client_credentials at the other server, or make it here by munjigi clients create',
    );
}

const NO_ADDRESS = 'no redirect URI is left: give each in full, such as https://app.example.com/callback, by --redirect-uris FILE';

/** A client that can also do something else does that. Another one is made, and nobody signs in with it until it has an address. */
function withoutAddress(draft: Draft, field: string, grants: Set<string>): void {
  const others = [...grants].filter((grant) => grant !== 'authorization_code' && grant !== 'refresh_token');
  if (!grants.has(DEVICE_GRANT)) grants.delete('refresh_token');
  grants.delete('authorization_code');
  if (others.length) {
    dropped(draft, field, NO_ADDRESS, 'authorization_code');
    return;
  }
  grants.clear();
  draft.waits = true;
  draft.suspended = true;
  changed(draft, field, { from: 'authorization_code', to: 'suspended', why: NO_ADDRESS });
}

/** @param said the method, named as in RFC 7591. */
export function settleMethod(draft: Draft, field: string, said: string): void {
  const [to, why] = ['client_secret_basic', 'secrets are kept as digests here, by which no assertion can be verified'];
  if (said === 'client_secret_jwt') changed(draft, field, { from: said, to, why });
  else if (['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'].includes(said)) kept(draft, field, said);
  else refuse(draft, `it authenticates by ${said}, which is not to be had here: give it private_key_jwt, with its public keys`);
  draft.metadata['token_endpoint_auth_method'] = said === 'client_secret_jwt' ? to : said;
}

/** Refuses a client that authenticates with a private key but has no public keys. Call it after both members are settled. */
export function settleKeys(draft: Draft): void {
  const { token_endpoint_auth_method: method, jwks, jwks_uri } = draft.metadata;
  if (method === 'private_key_jwt' && !jwks && !jwks_uri)
    refuse(
      draft,
      'it authenticates by private_key_jwt, and its public keys are not in the export: make it by munjigi clients create --auth private_key_jwt --jwks-file FILE',
    );
}

export function settleScopes(draft: Draft, field: string, said: string[], known: string[]): void {
  const scopes = [...new Set(said)].filter((scope) => known.includes(scope));
  for (const scope of new Set(said))
    if (!scopes.includes(scope)) dropped(draft, field, 'no API here has such a scope: make it there, and add it to the client', scope);
  if (scopes.length) {
    draft.metadata['scope'] = scopes.join(' ');
    kept(draft, field, draft.metadata['scope']);
  } else if (said.length) {
    // A client left without scopes must not count as one that may request every scope.
    draft.metadata['scope'] = 'openid';
    changed(draft, field, { from: said.join(' '), to: 'openid', why: 'it may ask for nothing else, until its scopes are here' });
  }
}

/** Imports the link of a client's page or picture. An invalid link is dropped, since it is no reason to refuse the client. */
export function settleLink(draft: Draft, field: string, value: unknown, member: string): void {
  const text = textOf(value);
  if (URL.parse(text)?.protocol === 'https:') {
    draft.metadata[member] = text;
    kept(draft, field, text);
  } else dropped(draft, field, `${member} must be an https address`, text);
}

/** Imports the algorithm that signs the client's ID tokens. */
export function settleAlgorithm(draft: Draft, field: string, value: unknown): void {
  const algorithm = textOf(value);
  if ((SIGNING_ALGORITHMS as readonly string[]).includes(algorithm)) {
    draft.metadata['id_token_signed_response_alg'] = algorithm;
    kept(draft, field, algorithm);
  } else changed(draft, field, { from: algorithm, to: 'RS256', why: `this server signs with ${SIGNING_ALGORITHMS.join(', ')}` });
}

/** Imports a boolean that has the same meaning here. */
export function settleSwitch(draft: Draft, field: string, value: unknown, member: string): void {
  if (value === true || value === 'true') {
    draft.metadata[member] = true;
    kept(draft, field, 'true');
  } else dropped(draft, field, `${member} is true or false`, value);
}
