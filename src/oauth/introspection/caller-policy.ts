import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';

/** Owns who may ask about a token, and who may revoke one. */

type Asked = { clientId?: string; kind?: string; aud?: string | string[] };

/**
 * A confidential client may introspect its own tokens; a resource server's client those of its audience, where a token
 * without an audience belongs to the server's own API. A refresh token has no meaning for an API, and one that looks at `active` alone would take it
 * for an access token: its own client alone sees it. Everyone else hears `{"active":false}`, as for a token that never was.
 * @see RFC 7662 sections 2.1 and 4
 */
export function mayIntrospect(issuer: string) {
  return async (_ctx: KoaContextWithOIDC, client: Client, token: Asked): Promise<boolean> => {
    // A public client proves nothing about itself, so it could be anyone who found a token.
    if (client.clientAuthMethod === 'none') return false;
    if (token.clientId === client.clientId) return true;
    if (token.kind === 'RefreshToken') return false;
    const audience = client['introspects'];
    return typeof audience === 'string' && [token.aud ?? issuer].flat().includes(audience);
  };
}

/** A client revokes its own tokens alone; the refusal does not depend on whether it can authenticate (RFC 7009 section 2.1). */
export async function mayRevoke(_ctx: KoaContextWithOIDC, client: Client, token: Asked): Promise<boolean> {
  if (token.clientId === client.clientId) return true;
  throw new errors.InvalidRequest('client is not authorized to revoke the presented token');
}
