import { type Client, errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { Config } from '../../platform/config.ts';
import { bindsTokens, hasFapiProfile, isPublic, type ProfiledClient } from '../clients/client-profile.ts';

/**
 * Owns which authorization requests need a PKCE challenge (RFC 7636, RFC 9700 section 2.1.1). The library checks the challenge and the
 * verifier, and supports S256 only.
 */

/** Why a request needs a challenge, as the error states it. The portal has a sentence for each reason about the client. */
const REASONS = {
  public: 'a public client must use PKCE',
  fapi: 'a client with the FAPI profile must use PKCE',
  bound: 'a client whose access tokens are bound to a key must use PKCE',
  par: 'a client that requires pushed authorization requests must use PKCE',
  client: 'this client is registered with require_pkce',
  server: 'this server requires PKCE of every client',
  nonce: 'this server accepts a request without PKCE only with the openid scope and a nonce',
} as const;

export type PkceReason = keyof typeof REASONS;

/** @returns why a client must always use PKCE because of its kind; undefined for a client that may omit PKCE. */
export function pkceByNature(client: ProfiledClient): PkceReason | undefined {
  // Only PKCE prevents another party from redeeming a public client's stolen code (RFC 9700 section 2.1.1).
  if (isPublic(client)) return 'public';
  if (hasFapiProfile(client)) return 'fapi';
  if (bindsTokens(client)) return 'bound';
  return client.requirePushedAuthorizationRequests ? 'par' : undefined;
}

/** @returns why every authorization request of a client needs a challenge; undefined when some or all may omit it. */
export function pkceReason(client: ProfiledClient, mode: Config['pkce']): PkceReason | undefined {
  return pkceByNature(client) ?? (client['require_pkce'] === true ? 'client' : mode === 'all' ? 'server' : undefined);
}

/**
 * The library's `pkce.required`, which it calls for a request without a challenge.
 * @returns false when the request may omit it. @throws errors.InvalidRequest with what to send and why; the library's own error says
 * neither.
 */
export function acceptWithoutPkce(mode: Config['pkce']) {
  return ({ oidc: { params } }: KoaContextWithOIDC, client: Client): boolean => {
    const reason = pkceReason(client, mode) ?? (mode === 'nonce' && !hasNonce(params ?? {}) ? 'nonce' : undefined);
    if (reason)
      throw new errors.InvalidRequest(
        `PKCE is required: send code_challenge and code_challenge_method=S256 (RFC 7636), because ${REASONS[reason]}`,
      );
    return false;
  };
}

/** A nonce lets the client detect an injected code, as PKCE lets the server detect it (RFC 9700 section 4.5.3.2). */
const hasNonce = ({ scope, nonce }: Record<string, unknown>): boolean =>
  typeof nonce === 'string' && nonce !== '' && String(scope).split(' ').includes('openid');

/**
 * Checks a request again when it returns from our pages, because its client may have started to require PKCE since. If the request now
 * needs a
 * challenge, the client gets an error, and no code is issued.
 */
export function checkPkceAgain(provider: Provider, mode: Config['pkce']): void {
  const accept = acceptWithoutPkce(mode);
  // The library handles an error of a listener like any error of this request.
  provider.on('interaction.ended', (ctx) => {
    const { client, params } = ctx.oidc;
    if (client && params?.['response_type'] === 'code' && !params['code_challenge']) accept(ctx, client);
  });
}
