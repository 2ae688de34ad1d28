import { ADMIN_CLIENT } from '../../../oauth/clients/first-party.ts';
import type { ClientMetadata } from '../../../oauth/clients/store.ts';

/** Owns the client as which the administration pages sign users in when they have an origin of their own. */

export const ADMIN_CALLBACK_PATH = '/admin/signed-in';

/** The client of the admin pages. @param origin ADMIN_ORIGIN. @param secret the same on every node. */
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
