import type { ClientMetadata } from './store.ts';

/** Owns which clients belong to this server, and which of them its own pages (account, developer, admin) sign in as. */

export const FIRST_PARTY_CLIENT = 'munjigi-account';

/** The client that the resource API uses for introspection. It is a client like any other. */
export const RESOURCE_API_CLIENT = 'munjigi-resource-api';

/** The client of the admin pages when they have an origin of their own. It is confidential, and no operator knows its secret. */
export const ADMIN_CLIENT = 'munjigi-admin';

/** Every node creates these at start and depends on them. */
export const OWN_CLIENTS: readonly string[] = [FIRST_PARTY_CLIENT, ADMIN_CLIENT, RESOURCE_API_CLIENT];

/** The clients of our own pages. They need no consent, because they show data only to its own user. */
export const OWN_PAGES: readonly string[] = [FIRST_PARTY_CLIENT, ADMIN_CLIENT];

export const CALLBACK_PATH = '/account/signed-in';

/** The redirect URI of the portal's trial page. A client has it registered while a developer tries the client. */
export const TRY_CALLBACK_PATH = '/developer/try/callback';

/** The client as stored: public, and without consent, because it gets nothing that the browser does not have already. */
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
