import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';

/** Owns who may introspect a token and who may revoke one. */

type PresentedToken = { clientId?: string; kind?: string; aud?: string | string[] };

/**
 * A confidential client may introspect its own tokens. A resource server's client may introspect the tokens of its audience.
 * A token without audience belongs to the server's own API. A refresh token is visible to its own client only.
 * An API that checks only `active` would take it for an access token. Every other caller gets `{"active":false}`, as for an unknown token.
 * @see RFC 7662 sections 2.1 and 4
 */
export function mayIntrospect(issuer: string) {
  return async (_ctx: KoaContextWithOIDC, client: Client, token: PresentedToken): Promise<boolean> => {
    // A public client does not authenticate, so anyone who found a token could claim to be it.
    if (client.clientAuthMethod === 'none') return false;
    if (token.clientId === client.clientId) return true;
    if (token.kind === 'RefreshToken') return false;
    const audience = client['introspects'];
    return typeof audience === 'string' && [token.aud ?? issuer].flat().includes(audience);
  };
}

/** A client revokes only its own tokens. The error is the same whether or not the client can authenticate (RFC 7009 section 2.1). */
export async function mayRevoke(_ctx: KoaContextWithOIDC, client: Client, token: PresentedToken): Promise<boolean> {
  if (token.clientId === client.clientId) return true;
  throw new errors.InvalidRequest('client is not authorized to revoke the presented token');
}
