import { importJWK } from 'jose';
import * as client from 'openid-client';
import { epochSeconds, systemClock } from '../../platform/clock.ts';
import { isStorable } from '../../platform/database.ts';
import { fetchForUpstream } from '../../platform/outgoing.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { appleSecret } from './apple-secret.ts';
import { type Details, described } from './details.ts';
import { credentialsOf, type ProviderSettings, type UpstreamProvider } from './providers.ts';
import { judged, UpstreamError } from './upstream-error.ts';

/**
 * Owns the protocol with an upstream provider: authorization, validation of the answer, refresh and revocation. openid-client implements
 * it. The signature of an ID token is always verified, even over TLS. Stores nothing.
 */

/** The total time that one request of ours may wait for a provider, over all calls. */
const PATIENCE_MS = 4_000;

// How long discovered metadata stays fresh. While the provider is unavailable, it is used for up to a day.
const METADATA_FRESH_MS = 10 * 60_000;
const METADATA_STALE_MS = 24 * 3_600_000;

export type UpstreamTokens = {
  accessToken: string;
  refreshToken: string | undefined;
  /** Undefined when the provider does not say. */
  expiresInSeconds: number | undefined;
  /** The granted scopes, separated by spaces. */
  scope: string;
};

/** What to store until the browser returns. */
export type Begun = { scopes: string[]; codeVerifier: string; nonce: string | undefined; maxAgeSeconds?: number | undefined };

/**
 * Begins an authorization (RFC 6749 section 4.1 with PKCE, OIDC Core section 3.1). @param state names the browser's visit; single use.
 * @param offline requests a refresh token, for a client that acts while the user is away.
 * @param maxAgeSeconds how long ago the user may have signed in there. Only OpenID Connect has a parameter for it, and many providers do
 * not return `auth_time`. @throws UpstreamError when discovery fails.
 */
export async function beginAuthorization(
  keyRing: KeyRing,
  provider: UpstreamProvider,
  {
    redirectUri,
    state,
    scopes,
    offline,
    loginHint,
    maxAgeSeconds,
  }: { redirectUri: string; state: string; scopes: string[]; offline: boolean; loginHint?: string; maxAgeSeconds?: number },
): Promise<{ url: string; begun: Begun }> {
  const { settings } = provider;
  return speaking(keyRing, provider, async (config) => {
    const codeVerifier = client.randomPKCECodeVerifier();
    const nonce = settings.issuer ? client.randomNonce() : undefined;
    const asked = settings.issuer && !scopes.includes('openid') ? ['openid', ...scopes] : scopes;
    const url = client.buildAuthorizationUrl(config, {
      ...settings.authorizationParameters,
      ...(offline ? settings.offlineParameters : undefined),
      redirect_uri: redirectUri,
      state,
      ...(asked.length ? { scope: asked.join(settings.scopeSeparator) } : undefined),
      code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256',
      ...(nonce ? { nonce } : undefined),
      ...(loginHint ? { login_hint: loginHint } : undefined),
      ...(settings.issuer && maxAgeSeconds !== undefined ? { max_age: String(maxAgeSeconds) } : undefined),
    });
    return { url: url.href, begun: { scopes: asked, codeVerifier, nonce, maxAgeSeconds } };
  });
}

/**
 * Exchanges the provider's answer for tokens and the user's identity. Checks state, `iss` (RFC 9207), nonce, audience and signature.
 * @param answer our callback's address as the browser requested it, with its query.
 * @throws UpstreamError
 */
export async function completeAuthorization(
  keyRing: KeyRing,
  provider: UpstreamProvider,
  { answer, state, begun }: { answer: URL; state: string; begun: Begun },
): Promise<{ subject: string; details: Details; tokens: UpstreamTokens }> {
  const { settings } = provider;
  return speaking(keyRing, provider, async (config) => {
    const response = await client.authorizationCodeGrant(config, answer, {
      expectedState: state,
      pkceCodeVerifier: begun.codeVerifier,
      ...(begun.nonce ? { expectedNonce: begun.nonce, idTokenExpected: true } : undefined),
    });
    assertRecent(response.claims()?.auth_time, begun.maxAgeSeconds);
    const tokens = tokensFrom(response, begun.scopes, settings);
    const told = settings.issuer
      ? await tellOfIdToken(config, response.claims() as Record<string, unknown>, tokens)
      : await askPlainly(config, settings, tokens.accessToken);
    return { ...described(told, settings), tokens };
  });
}

const CLOCK_DIFFERENCE_SECONDS = 60;

/** Refuses an answer whose `auth_time` is older than the requested max_age. Many providers do not send `auth_time`. */
function assertRecent(authTime: number | undefined, maxAgeSeconds: number | undefined): void {
  if (authTime === undefined || maxAgeSeconds === undefined) return;
  if (authTime < epochSeconds(systemClock.now()) - maxAgeSeconds - CLOCK_DIFFERENCE_SECONDS)
    throw new UpstreamError('untrustworthy', 'auth_time is before what max_age asked for');
}

/** @throws UpstreamError `refused` with `invalid_grant` when the provider no longer accepts the refresh token. */
export async function refreshTokens(
  keyRing: KeyRing,
  provider: UpstreamProvider,
  { refreshToken, scope }: { refreshToken: string; scope: string },
): Promise<UpstreamTokens> {
  return speaking(keyRing, provider, async (config) => {
    const fresh = tokensFrom(await client.refreshTokenGrant(config, refreshToken), scope.split(' ').filter(Boolean), provider.settings);
    // A provider that does not rotate returns no refresh token: keep the current one (RFC 6749 section 6).
    return { ...fresh, refreshToken: fresh.refreshToken ?? refreshToken };
  });
}

/** Revokes a token at the provider (RFC 7009). @returns false when it has no revocation endpoint. @throws UpstreamError */
export async function revokeToken(
  keyRing: KeyRing,
  provider: UpstreamProvider,
  token: string,
  kind: 'refresh_token' | 'access_token',
): Promise<boolean> {
  return speaking(keyRing, provider, async (config) => {
    if (!config.serverMetadata().revocation_endpoint) return false;
    await client.tokenRevocation(config, token, { token_type_hint: kind });
    return true;
  });
}

type Known = { metadata: client.ServerMetadata; readAt: number; jwks?: client.ExportedJWKSCache };

// Keyed by what discovery used, so that a provider with changed settings is discovered again.
const known = new Map<string, Known>();

/** Calls a provider as its client, within the time limit of one request. @throws UpstreamError */
export async function speaking<T>(
  keyRing: KeyRing,
  provider: UpstreamProvider,
  speak: (config: client.Configuration) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  try {
    const about = await discovered(provider.settings, deadline);
    const config = new client.Configuration(about.metadata, provider.settings.clientId, undefined, await authentication(keyRing, provider));
    config[client.customFetch] = fetchForUpstream({ privateNetwork: provider.settings.privateNetwork, deadline }) as client.CustomFetch;
    config.timeout = PATIENCE_MS / 1_000;
    if (provider.settings.privateNetwork) client.allowInsecureRequests(config);
    if (provider.settings.issuer) client.enableNonRepudiationChecks(config);
    if (about.jwks) client.setJwksCache(config, about.jwks);
    try {
      return await speak(config);
    } finally {
      const jwks = client.getJwksCache(config);
      if (jwks) about.jwks = jwks;
    }
  } catch (error) {
    throw judged(error);
  }
}

async function discovered(settings: ProviderSettings, deadline: AbortSignal): Promise<Known> {
  const { endpoints, issuer, privateNetwork } = settings;
  if (!issuer) {
    // openid-client requires an issuer. A provider without one gets its origin.
    const metadata = {
      issuer: endpoints?.issuer ?? new URL(String(endpoints?.authorization)).origin,
      authorization_endpoint: endpoints?.authorization,
      token_endpoint: endpoints?.token,
      userinfo_endpoint: endpoints?.userinfo,
      revocation_endpoint: endpoints?.revocation,
    };
    return { metadata: JSON.parse(JSON.stringify(metadata)), readAt: Date.now() };
  }
  const key = `${issuer} ${privateNetwork}`;
  const before = known.get(key);
  if (before && Date.now() - before.readAt < METADATA_FRESH_MS) return before;
  try {
    const config = await client.discovery(new URL(issuer), settings.clientId, undefined, client.None(), {
      [client.customFetch]: fetchForUpstream({ privateNetwork, deadline }) as client.CustomFetch,
      execute: privateNetwork ? [client.allowInsecureRequests] : [],
    });
    const fresh: Known = { metadata: config.serverMetadata(), readAt: Date.now(), ...(before?.jwks ? { jwks: before.jwks } : undefined) };
    known.set(key, fresh);
    return fresh;
  } catch (error) {
    if (before && Date.now() - before.readAt < METADATA_STALE_MS && judged(error).kind === 'unavailable') return before;
    throw error;
  }
}

async function authentication(keyRing: KeyRing, provider: UpstreamProvider): Promise<client.ClientAuth> {
  const credentials = credentialsOf(keyRing, provider) ?? '';
  switch (provider.settings.clientAuthMethod) {
    case 'none':
      return client.None();
    case 'client_secret_basic':
      return client.ClientSecretBasic(credentials);
    case 'client_secret_post':
      return client.ClientSecretPost(credentials);
    case 'apple':
      return appleSecret(credentials);
    case 'private_key_jwt': {
      const jwk = JSON.parse(credentials);
      return client.PrivateKeyJwt({ key: (await importJWK(jwk, jwk.alg)) as CryptoKey, kid: jwk.kid });
    }
  }
}

function tokensFrom(response: client.TokenEndpointResponse, asked: string[], { issuer }: ProviderSettings): UpstreamTokens {
  // Plain OAuth providers may also answer with commas, even when the request used spaces.
  const scope = response.scope?.split(issuer ? ' ' : /[\s,]+/) ?? asked;
  const tokens = {
    accessToken: response.access_token,
    refreshToken: response.refresh_token,
    expiresInSeconds: response.expires_in,
    scope: [...new Set(scope)].filter(Boolean).join(' '),
  };
  if (!isStorable(tokens) || tokens.accessToken.length > LONGEST_TOKEN || (tokens.refreshToken?.length ?? 0) > LONGEST_TOKEN)
    throw new UpstreamError('untrustworthy', 'a token that cannot be kept');
  return tokens;
}

const LONGEST_TOKEN = 16 * 1024;

/** @returns the claims of the ID token and of userinfo, if the provider has it. Some providers return the address only there. */
async function tellOfIdToken(config: client.Configuration, claims: Record<string, unknown>, { accessToken }: UpstreamTokens) {
  if (!config.serverMetadata().userinfo_endpoint) return claims;
  return { ...(await client.fetchUserInfo(config, accessToken, String(claims['sub']))), ...claims };
}

async function askPlainly(config: client.Configuration, { endpoints }: ProviderSettings, accessToken: string): Promise<unknown> {
  const headers = new Headers({ accept: 'application/json' });
  const response = await client.fetchProtectedResource(config, accessToken, new URL(String(endpoints?.userinfo)), 'GET', null, headers);
  if (response.status >= 500) throw new UpstreamError('unavailable', `userinfo ${response.status}`);
  if (!response.ok) throw new UpstreamError('untrustworthy', `userinfo ${response.status}`);
  return response.json();
}
