import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { claimsForScopes } from '../../people/claims.ts';
import type { Account } from '../../people/store.ts';

/** Owns who may introspect a token or revoke one, and what an introspection says beyond the library's answer (RFC 7662). */

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

/** RFC 7662 section 2.2. */
export type IntrospectionResponse = { active?: boolean; scope?: string | undefined; [member: string]: unknown };

/** The subject of a client's own token is the client (RFC 9068 section 2.2). Introspection and JWT agree on it. */
export function describeClient(answer: IntrospectionResponse): IntrospectionResponse {
  return { active: true, sub: answer['client_id'], ...answer };
}

/**
 * Adds user data to an answer for the server's own API: `username` (RFC 7662 section 2.2) and the claims that the token's scopes allow.
 * No other API gets it. The token of a deleted or disabled user is inactive.
 */
export function describeSubject(answer: IntrospectionResponse, account: Account | undefined): IntrospectionResponse {
  if (!account) return { active: false };
  const scopes = (answer.scope ?? '').split(' ');
  return { ...claimsForScopes(account, scopes), ...answer, ...(scopes.includes('profile') ? { username: account.username } : undefined) };
}
