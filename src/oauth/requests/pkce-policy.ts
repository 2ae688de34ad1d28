import { type Client, errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { Config } from '../../platform/config.ts';
import { bindsTokens, hasFapiProfile, isPublic, type ProfiledClient } from '../clients/client-profile.ts';
import type { PkceUse } from '../store/pkce-use.ts';

/**
 * Owns which authorization requests must have a PKCE challenge (RFC 7636, RFC 9700 section 2.1.1). Does not check a challenge or a verifier:
 * the library does, and has S256 alone.
 */

/** Why a request must have a challenge, and how the refusal says so. The portal has a sentence for each that is about the client. */
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

/** Why a client must always use PKCE, by what it is; undefined for one that may leave PKCE out. */
export function pkceByNature(client: ProfiledClient): PkceReason | undefined {
  // Nothing else keeps a stolen code of a public client from being redeemed (RFC 9700 section 2.1.1).
  if (isPublic(client)) return 'public';
  if (hasFapiProfile(client)) return 'fapi';
  if (bindsTokens(client)) return 'bound';
  return client.requirePushedAuthorizationRequests ? 'par' : undefined;
}

/** Why every authorization request of a client must have a challenge; undefined when some or all may go without. */
export function pkceReason(client: ProfiledClient, mode: Config['pkce']): PkceReason | undefined {
  return pkceByNature(client) ?? (client['require_pkce'] === true ? 'client' : mode === 'all' ? 'server' : undefined);
}

/**
 * The library's `pkce.required`, which it asks of a request without a challenge.
 * @returns false when the request may go without. @throws errors.InvalidRequest with what to send and why; the library's own sentence says neither.
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

/** A nonce in the ID token shows the client that a code was injected, as PKCE shows the server (RFC 9700 section 4.5.3.2). */
const hasNonce = ({ scope, nonce }: Record<string, unknown>): boolean =>
  typeof nonce === 'string' && nonce !== '' && String(scope).split(' ').includes('openid');

/**
 * Checks a request once more when it comes back from our pages: its client may have required PKCE since it began. A request that may no longer
 * go without a challenge ends with an error at the client, and no code is issued.
 */
export function checkPkceAgain(provider: Provider, mode: Config['pkce']): void {
  const accept = acceptWithoutPkce(mode);
  // What a listener throws, the library answers like any error of this request.
  provider.on('interaction.ended', (ctx) => {
    const { client, params } = ctx.oidc;
    if (client && params?.['response_type'] === 'code' && !params['code_challenge']) accept(ctx, client);
  });
}

/** Records of clients that may leave PKCE out whether they do. Requests of the portal's own trial say nothing about the app. */
export function recordPkceUse(provider: Provider, use: PkceUse, mode: Config['pkce'], tryCallback: string): void {
  provider.on('authorization.success', ({ oidc: { client, params } }) => {
    if (!client || pkceReason(client, mode) || params?.['redirect_uri'] === tryCallback) return;
    use.add(client.clientId, Boolean(params?.['code_challenge']));
  });
}
