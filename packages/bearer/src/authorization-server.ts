import { createRemoteJWKSet, errors, customFetch as joseFetch, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';

/**
 * Owns the requests to the authorization server: its metadata (RFC 8414), introspection (RFC 7662) and its public keys. It decides whether a token
 * is valid. It does not decide what the token allows: see bearer.ts.
 */

export type BearerOptions = {
  /** The authorization server's issuer identifier. Endpoints are read from its metadata (RFC 8414). */
  issuer: string;
  /** Credentials of the client that may introspect tokens of this resource server. */
  clientId: string;
  clientSecret: string;
  /** Replaces the global fetch, for example when the authorization server is reached through a proxy. */
  fetch?: typeof globalThis.fetch;
};

/** The claims of a valid token. */
export type Token = { sub?: string; client_id?: string; scope?: string; aud?: string | string[]; [claim: string]: unknown };

// The caller of the resource server gets an answer within three seconds, even if the authorization server hangs.
const ASK_TIMEOUT_MS = 2_500;

// The algorithms that a resource server can choose for its JWTs. HS256 is absent: a public key must never serve as an HMAC key (RFC 8725 section 3.1).
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];

/** Errors of jose that describe the key set or the way to it. Every other error of jose describes the token. */
const KEY_SET_ERRORS = new Set<string>([errors.JOSEError.code, errors.JWKSInvalid.code, errors.JWKSTimeout.code]);

export function createAuthorizationServer({ issuer, clientId, clientSecret, fetch = globalThis.fetch }: BearerOptions) {
  const options = {
    [oauth.customFetch]: fetch,
    // An issuer with http is a developer's own machine. An https issuer with an http endpoint is refused.
    [oauth.allowInsecureRequests]: issuer.startsWith('http:'),
    signal: () => AbortSignal.timeout(ASK_TIMEOUT_MS),
  };
  const client = { client_id: clientId };
  const credentials = oauth.ClientSecretBasic(clientSecret);

  const discover = rememberSuccess(async () => {
    const identifier = new URL(issuer);
    const response = await oauth.discoveryRequest(identifier, { ...options, algorithm: 'oauth2' });
    // It refuses a document that names another issuer (RFC 8414 section 3.3).
    const server = await oauth.processDiscoveryResponse(identifier, response);
    const keys = createRemoteJWKSet(new URL(String(server.jwks_uri)), { [joseFetch]: fetch, timeoutDuration: ASK_TIMEOUT_MS });
    return { server, keys };
  });

  return {
    /**
     * Asks the authorization server about one token.
     * @returns its claims, or undefined when it is not an active access token.
     * @throws when the authorization server gives no usable answer.
     * @see RFC 7662 section 2
     */
    async introspect(token: string): Promise<Token | undefined> {
      const { server } = await discover();
      const hint = { additionalParameters: { token_type_hint: 'access_token' } };
      const response = await oauth.introspectionRequest(server, client, credentials, token, { ...options, ...hint });
      // The rest of the request is correct, so a 400 is about the token: the server does not introspect such a text.
      if (response.status === 400) {
        await response.body?.cancel();
        return undefined;
      }
      const answer = await oauth.processIntrospectionResponse(server, client, response);
      // A refresh token of this client is active too, but it opens nothing: only an access token has a type.
      return answer.active && answer.token_type ? (answer as Token) : undefined;
    },

    /**
     * Verifies a JWT access token with the public keys of the authorization server. A key set is read again after ten minutes, and for an unknown key
     * at most every 30 seconds.
     * @param audience the identifier of this resource server.
     * @param typ the type that the JWT must have in its header.
     * @returns its claims, or undefined when the token is not valid here.
     * @throws when the key set cannot be read.
     * @see RFC 9068 section 4
     */
    async verify(token: string, audience: string, typ: string): Promise<Token | undefined> {
      const { server, keys } = await discover();
      // An ID token has no client_id, so it is refused for any `typ`.
      const required = { requiredClaims: ['exp', 'sub', 'client_id'], algorithms: ALGORITHMS };
      try {
        return (await jwtVerify(token, keys, { issuer: server.issuer, audience, typ, ...required })).payload as Token;
      } catch (error) {
        if (error instanceof errors.JOSEError && !KEY_SET_ERRORS.has(error.code)) return undefined;
        throw error;
      }
    },
  };
}

/** Asks once and remembers the answer. A failure is not remembered, so the next call asks again. */
function rememberSuccess<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask().catch((error) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}
