import { type Draft, dropped, ELSEWHERE, type Fields, isFields, kept, type Rule, type Source, stringsOf, textOf, walk } from './draft.ts';
import { isResource, takeResource, withCredentials } from './hydra-maester.ts';
import { settleSecret } from './secret.ts';
import {
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
 * Owns the reading of a client of Ory Hydra. Its names are those of RFC 7591, and it never exports secrets.
 * @see
 * https://docs.rs/crate/open-api-hydra/1.0.0/target-redirect/i686-pc-windows-msvc/open_api_hydra/apis/admin_api/fn.list_o_auth2_clients.html
 * @see https://hackage.haskell.org/package/ory-hydra-client-2.1.2.1/docs/doc-index-O.html for the fields
 */

const LIFETIMES = /_lifespan$/;

const RULES: Record<string, Rule> = {
  ...Object.fromEntries(
    [
      ...[
        'client_id',
        'client_name',
        'client_secret',
        'redirect_uris',
        'post_logout_redirect_uris',
        'grant_types',
        'response_types',
        'scope',
      ],
      ...['token_endpoint_auth_method', 'jwks', 'contacts', 'client_secret_expires_at'],
    ].map((field) => [field, ELSEWHERE]),
  ),
  ...Object.fromEntries(
    ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'jwks_uri'].map((field): [string, Rule] => [
      field,
      (value, draft) => settleLink(draft, field, value, field),
    ]),
  ),
  id_token_signed_response_alg: (value, draft) => settleAlgorithm(draft, 'id_token_signed_response_alg', value),
  require_pushed_authorization_requests: (value, draft) =>
    settleSwitch(draft, 'require_pushed_authorization_requests', value, 'require_pushed_authorization_requests'),
  audience: 'tokens are for the API that a request names by resource (RFC 8707), and no list of a client says which it may be',
  metadata: 'nothing is kept beside what the standard has',
  owner: 'who looks after a client is a person of this server',
  allowed_cors_origins:
    'a page may call this server from the origin of a redirect URI of a client without a secret: there is nothing to set',
  skip_consent: 'people are asked by every client here, once',
  skip_logout_consent: 'people are asked whether to sign out',
  subject_type: (value, draft) =>
    value === 'public'
      ? kept(draft, 'subject_type', value)
      : dropped(draft, 'subject_type', 'a person has one subject identifier, the same for every client', value),
  access_token_strategy: 'whether tokens are opaque or JWTs is said by the API that they are for',
  registration_access_token: "the client is an operator's from now on",
  registration_client_uri: "the client is an operator's from now on",
  backchannel_logout_uri: 'clients are not told of a sign-out here',
  backchannel_logout_session_required: 'clients are not told of a sign-out here',
  frontchannel_logout_uri: 'clients are not told of a sign-out here',
  frontchannel_logout_session_required: 'clients are not told of a sign-out here',
  created_at: 'a client is as old here as its import',
  updated_at: 'a client is as old here as its import',
  userinfo_signed_response_alg: (value, draft) =>
    value === 'none'
      ? kept(draft, 'userinfo_signed_response_alg', value)
      : dropped(draft, 'userinfo_signed_response_alg', 'what userinfo answers is JSON here', value),
};

export const HYDRA: Source = {
  expected:
    'clients of Ory Hydra, as "hydra list clients --format json" or GET /admin/clients give them: an array of objects with "client_id" and "grant_types", an object that has it as "items", one client, or the YAML of hydra-maester',
  take(document, into) {
    if (isResource(document)) return takeResource(document, into);
    const list = isFields(document) ? (document['items'] ?? document['clients'] ?? [document]) : document;
    if (!Array.isArray(list) || !list.every((client) => isHydraClient(client) || isResource(client))) return false;
    if (isFields(document) && (document['is_last_page'] === false || textOf(document['next_page_token'])))
      into.beside.push({
        field: 'next_page_token',
        outcome: 'dropped',
        why: 'this is one page of several: fetch the next pages too, and import each of them',
      });
    for (const client of list) if (!isResource(client) || !takeResource(client, into)) into.clients.push(client);
    return true;
  },
  idOf: (record) => textOf(record['client_id']),
  read(draft, given, scopes, { secrets }) {
    const record = withCredentials(draft, given, secrets);
    settleName(draft, 'client_name', record['client_name']);
    settleType(draft, stringsOf(record['redirect_uris']), { native: false, secretless: record['token_endpoint_auth_method'] === 'none' });
    settleUris(draft, 'redirect_uris', record['redirect_uris'], 'redirect_uris');
    settleUris(draft, 'post_logout_redirect_uris', record['post_logout_redirect_uris'], 'post_logout_redirect_uris');
    settleMethod(draft, 'token_endpoint_auth_method', textOf(record['token_endpoint_auth_method']) || 'client_secret_basic');
    settleSecret(draft, 'client_secret', record['client_secret']);
    settleGrants(draft, 'grant_types', grantsOf(record));
    settleScopes(draft, 'scope', textOf(record['scope']).split(' ').filter(Boolean), scopes);
    readRest(draft, record);
    settleKeys(draft);
  },
};

// Auth0's clients have an app_type or callbacks.
const isHydraClient = (client: unknown): client is Fields =>
  isFields(client) && typeof client['client_id'] === 'string' && !('callbacks' in client || 'app_type' in client);

/** Without grants, a client uses only the authorization code (RFC 7591 section 2). */
function grantsOf(record: Fields): string[] {
  const grants = stringsOf(record['grant_types']);
  return grants.length ? grants : ['authorization_code'];
}

function readRest(draft: Draft, record: Fields): void {
  const contacts = stringsOf(record['contacts']).filter((contact) => /^[^\s@]+@[^\s@]+$/.test(contact));
  if (contacts.length) {
    draft.metadata['contacts'] = contacts;
    kept(draft, 'contacts', contacts.join(' '));
  }
  if (isFields(record['jwks']) && Object.keys(record['jwks']).length) {
    draft.metadata['jwks'] = record['jwks'];
    kept(draft, 'jwks');
  }
  for (const type of stringsOf(record['response_types']))
    if (type !== 'code') dropped(draft, 'response_types', 'a code is all that an address may carry (RFC 9700 section 2.1.2)', type);
  const lifetimes = Object.keys(record).filter((field) => LIFETIMES.test(field));
  for (const field of lifetimes)
    if (record[field]) dropped(draft, field, 'how long tokens live is said by the API that they are for', record[field]);
  walk(draft, Object.fromEntries(Object.entries(record).filter(([field]) => !lifetimes.includes(field))), RULES);
}
