import type { ClientMetadata } from './store.ts';

/** Owns which clients are this server's own, and those that our own pages about a person (account, developer, admin) sign in as. */

export const FIRST_PARTY_CLIENT = 'munjigi-account';

/** The client that the resource API introspects as. It is a client like any other. */
export const RESOURCE_API_CLIENT = 'munjigi-resource-api';

/** What the pages of administration sign in as where they have an origin of their own: a confidential client, whose secret no operator knows. */
export const ADMIN_CLIENT = 'munjigi-admin';

/** Every node makes these when it starts, and cannot do without them. */
export const OWN_CLIENTS: readonly string[] = [FIRST_PARTY_CLIENT, ADMIN_CLIENT, RESOURCE_API_CLIENT];

/** Our own pages. Nobody has to allow them anything: they show what is stored here to whom it is shown anyway. */
export const OWN_PAGES: readonly string[] = [FIRST_PARTY_CLIENT, ADMIN_CLIENT];

export const CALLBACK_PATH = '/account/signed-in';

export const ADMIN_CALLBACK_PATH = '/admin/signed-in';

/** Where an answer comes to that a developer asked for on the portal's page to try a client: the client has this address registered for as long. */
export const TRY_CALLBACK_PATH = '/developer/try/callback';

/** The client as it is stored: public, and asked for no consent, since it gets nothing that the browser does not hold already. */
export function firstPartyClient(issuer: string): ClientMetadata {
  return {
    client_id: FIRST_PARTY_CLIENT,
    client_name: 'Munjigi',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: [`${issuer}${CALLBACK_PATH}`],
  };
}

/** The client of the pages of administration. @param origin ADMIN_ORIGIN. @param secret the same on every node. */
export function adminClient(origin: string, secret: string): ClientMetadata {
  return {
    client_id: ADMIN_CLIENT,
    client_name: 'Munjigi',
    client_secret: secret,
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: [`${origin}${ADMIN_CALLBACK_PATH}`],
    require_pkce: true,
  };
}
