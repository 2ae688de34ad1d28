import { createRemoteJWKSet, customFetch, errors as jose, jwtVerify } from 'jose';
import type { Context, Middleware } from 'koa';

/**
 * Checks bearer tokens for a Koa service (RFC 6750): opaque ones by introspection (RFC 7662), JWTs by the published keys (RFC 9068).
 * It needs Koa's context, `jose`, and to be told where the authorization server is; take the file along and use it.
 *
 *     const bearer = createBearer({ issuer: 'https://auth.example.com', clientId, clientSecret });
 *     router.get('/things', bearer.opaque({ scope: 'things' }), (ctx) => { ctx.body = ctx.state.token.sub });
 */

export type BearerOptions = {
  /** The authorization server's issuer identifier. Endpoints are read from its metadata (RFC 8414). */
  issuer: string;
  /** Credentials of the client that may introspect for this API. */
  clientId: string;
  clientSecret: string;
  /** Stands in for the global fetch, where the authorization server is reached in another way. */
  fetch?: typeof globalThis.fetch;
};

export type Requirement = {
  /** Scopes a token must have, separated by spaces; none when absent. */
  scope?: string;
  /** Whether the token must have been issued for a person, rather than to a client alone. */
  person?: boolean;
  /** Where this API's metadata is (RFC 9728 section 5.1). */
  resourceMetadata?: string;
};

/** What is known of a valid token, at `ctx.state.token`. */
export type Token = { sub?: string; client_id?: string; scope?: string; aud?: string | string[]; [claim: string]: unknown };

// Whoever asks us is told within three seconds that the token cannot be checked.
const ASK_TIMEOUT_MS = 2_500;

// What an API may choose for its JWTs in the developer portal.
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];

export function createBearer({ issuer, clientId, clientSecret, fetch = globalThis.fetch }: BearerOptions) {
  const server = rememberSuccess(async () => {
    const metadata = await askJson(fetch, `${issuer}/.well-known/oauth-authorization-server`);
    // The document must be about the server it was asked of (RFC 8414 section 3.3).
    if (metadata['issuer'] !== issuer) throw new Error('the metadata is of another issuer');
    const jwks = createRemoteJWKSet(new URL(String(metadata['jwks_uri'])), { [customFetch]: fetch, timeoutDuration: ASK_TIMEOUT_MS });
    return { introspection: String(metadata['introspection_endpoint']), jwks };
  });

  async function introspect(token: string): Promise<Token | undefined> {
    const request = {
      method: 'POST',
      headers: { authorization: `Basic ${basic(clientId, clientSecret)}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
    };
    // All but the token is ours and right, so a 400 is about the token: text that the server does not introspect.
    const answer = await askJson(fetch, (await server()).introspection, request, { 400: { active: false } });
    // A refresh token of this API's own client is active too, but opens nothing: only access tokens have a type.
    return answer['active'] === true && answer['token_type'] ? answer : undefined;
  }

  async function verify(token: string, audience: string, typ: string): Promise<Token | undefined> {
    try {
      const { payload } = await jwtVerify(token, (await server()).jwks, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        typ,
        // An ID token has no client_id: it is no access token, and its type does not matter.
        requiredClaims: ['exp', 'sub', 'client_id'],
      });
      return payload as Token;
    } catch (error) {
      if (error instanceof jose.JOSEError && !(error instanceof jose.JWKSTimeout)) return undefined;
      throw error;
    }
  }

  return {
    /** Lets opaque tokens in. @param audience when given, the token may name it; one that names another is refused. */
    opaque: ({ audience, ...requirement }: Requirement & { audience?: string } = {}): Middleware =>
      guard(requirement, async (token) => {
        const found = await introspect(token);
        return found && (found.aud === undefined || [found.aud].flat().includes(audience as string)) ? found : undefined;
      }),
    /** Lets JWT access tokens in that name `audience`. @param typ what this API chose for the header of its JWTs: `at+jwt`, or `JWT`. */
    jwt: ({ audience, typ = 'at+jwt', ...requirement }: Requirement & { audience: string; typ?: 'at+jwt' | 'JWT' }): Middleware =>
      guard(requirement, (token) => verify(token, audience, typ)),
  };
}

function guard({ scope, person, resourceMetadata }: Requirement, check: (token: string) => Promise<Token | undefined>): Middleware {
  return async (ctx, next) => {
    const sent = bearerToken(ctx);
    // Nothing sent, nothing wrong yet: the challenge names no error (RFC 6750 section 3.1).
    if (sent === undefined) return challenge(ctx, 401, { resource_metadata: resourceMetadata, scope });
    let token: Token | undefined;
    try {
      token = await check(sent);
    } catch (error) {
      // The server that knows does not answer: that is no fault of the token.
      ctx.set('Retry-After', '5');
      ctx.status = 503;
      ctx.body = { error: 'temporarily_unavailable', error_description: 'the token cannot be checked at the moment' };
      ctx.state['logged'] = { reason: error instanceof Error ? error.message : 'unknown' };
      return;
    }
    // A token bound to a key is no bearer token: without the proof that this file does not check, whoever found it could use it (RFC 9449 section 7.2).
    if (!token || token['cnf'] !== undefined)
      return challenge(ctx, 401, {
        error: 'invalid_token',
        error_description: 'the access token is expired, revoked, malformed or meant for another resource',
        resource_metadata: resourceMetadata,
      });
    const granted = new Set(token.scope?.split(' '));
    if (scope && !scope.split(' ').every((name) => granted.has(name))) {
      return challenge(ctx, 403, {
        error: 'insufficient_scope',
        error_description: `the access token lacks the scope this needs: ${scope}`,
        scope,
        resource_metadata: resourceMetadata,
      });
    }
    // A client's own token has no subject, or its own id as one (RFC 9068 section 2.2).
    if (person && (token.sub === undefined || token.sub === token.client_id)) {
      return challenge(ctx, 403, {
        error: 'insufficient_scope',
        error_description: 'this needs an access token that was issued for a person',
        resource_metadata: resourceMetadata,
      });
    }
    ctx.state['token'] = token;
    await next();
  };
}

/** Only the header counts: a query ends up in logs and histories (RFC 9700 section 4.3.2). */
function bearerToken(ctx: Context): string | undefined {
  return /^Bearer +([\w.~+/-]+=*) *$/i.exec(ctx.get('authorization'))?.[1];
}

function challenge(
  ctx: Context,
  status: 401 | 403,
  attributes: { error?: string; error_description?: string; scope?: string; resource_metadata?: string },
): void {
  const listed = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${value}"`);
  ctx.status = status;
  ctx.set('WWW-Authenticate', ['Bearer', listed.join(', ')].filter(Boolean).join(' '));
  ctx.set('Cache-Control', 'no-store');
  ctx.body = {
    error: attributes.error ?? 'missing_token',
    error_description: attributes.error_description ?? 'send an access token in the Authorization header, as Bearer',
  };
}

/** @param expected answers that stand for a status which is no success. @throws Error for any other such status. */
async function askJson(
  fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit = {},
  expected: Record<number, Record<string, unknown>> = {},
): Promise<Record<string, unknown>> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
  const instead = expected[response.status];
  if (instead) {
    await response.body?.cancel();
    return instead;
  }
  if (!response.ok) throw new Error(`${new URL(url).pathname} answered ${response.status}`);
  return (await response.json()) as Record<string, unknown>;
}

/** Asks once and keeps the answer; a failure is not kept. */
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

/** Credentials are form-encoded before they are base64-encoded (RFC 6749 section 2.3.1). */
function basic(id: string, secret: string): string {
  return Buffer.from([id, secret].map((part) => new URLSearchParams([['', part]]).toString().slice(1)).join(':')).toString('base64');
}
