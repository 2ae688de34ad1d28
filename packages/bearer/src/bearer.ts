import type { IncomingHttpHeaders } from 'node:http';
import { type BearerOptions, createAuthorizationServer, type Token } from './authorization-server.ts';
import { type Refusal, refuse, unavailable } from './challenge.ts';

/**
 * Owns the check of bearer tokens for a resource server (RFC 6750). Opaque tokens are introspected (RFC 7662). JWT access tokens are verified with the
 * published keys (RFC 9068). It leaves sender-constrained tokens alone: it refuses them.
 */

export type { BearerOptions, Token } from './authorization-server.ts';
export type { Refusal } from './challenge.ts';

/** What a token must have besides being valid. */
export type Requirement = {
  /** Scopes that the token must have, separated by spaces. Without it any scope will do. */
  scope?: string | undefined;
  /** Refuses a token that was issued to a client alone, without a user. */
  user?: boolean;
  /** The URL of this resource server's metadata (RFC 9728 section 5.1). */
  resourceMetadata?: string;
};
export type OpaqueRequirement = Requirement & {
  /** Lets in tokens that name this audience beside those that name none. */
  audience?: string;
};
export type JwtRequirement = Requirement & {
  /** The audience that the token must name: the identifier of this resource server. */
  audience: string;
  /** The type in the header of its JWTs. RFC 9068 demands `at+jwt`; some authorization servers issue `JWT`. */
  typ?: 'at+jwt' | 'JWT';
};

export type Outcome = { ok: true; token: Token } | ({ ok: false } & Refusal);
/** Checks the headers of one request. @throws never: each failure is an outcome with its response. */
export type Check = (headers: Headers | IncomingHttpHeaders) => Promise<Outcome>;

/**
 * Makes the checks of one resource server.
 *
 *     const bearer = createBearerChecks({ issuer: 'https://auth.example.com', clientId, clientSecret });
 *     const outcome = await bearer.opaque({ scope: 'things' })(request.headers);
 */
export function createBearerChecks(options: BearerOptions) {
  const { introspect, verify } = createAuthorizationServer(options);
  return {
    /** Lets in opaque access tokens. A token for another audience is refused. */
    opaque: ({ audience, ...requirement }: OpaqueRequirement = {}): Check =>
      createCheck(requirement, async (sent) => {
        const token = await introspect(sent);
        return token && (token.aud === undefined || [token.aud].flat().includes(audience as string)) ? token : undefined;
      }),
    /** Lets in JWT access tokens. */
    jwt: ({ audience, typ = 'at+jwt', ...requirement }: JwtRequirement): Check =>
      createCheck(requirement, (sent) => verify(sent, audience, typ)),
  };
}

/**
 * Reads the token of a request. Only the header counts: a query ends up in logs and browser histories (RFC 9700 section 4.3.2).
 * @returns undefined when the header is absent, has another scheme or is not one token (RFC 6750 section 2.1).
 */
export function bearerToken(headers: Headers | IncomingHttpHeaders): string | undefined {
  const header = headers instanceof Headers ? headers.get('authorization') : headers.authorization;
  return /^Bearer +([\w.~+/-]+=*) *$/i.exec(header ?? '')?.[1];
}

function createCheck(requirement: Requirement, find: (sent: string) => Promise<Token | undefined>): Check {
  return async (headers) => {
    const sent = bearerToken(headers);
    try {
      return sent === undefined ? noToken(requirement) : judge(await find(sent), requirement);
    } catch (error) {
      return { ok: false, ...unavailable(error) };
    }
  };
}

/** Without a token there is no error to name (RFC 6750 section 3.1). */
function noToken({ resourceMetadata, scope }: Requirement): Outcome {
  return { ok: false, ...refuse(401, { resource_metadata: resourceMetadata, scope }) };
}

/** Order: validity, scopes, user. A 403 tells the client what to ask for, so only the holder of a valid token reads one. */
function judge(token: Token | undefined, { scope, user, resourceMetadata: resource_metadata }: Requirement): Outcome {
  // A token that is bound to a key needs a proof, which is not checked here. Without it, anyone who found the token could use it (RFC 9449 section 7.2).
  if (!token || token['cnf'] !== undefined) {
    const error_description = 'the access token is expired, revoked, malformed or meant for another resource';
    return { ok: false, ...refuse(401, { error: 'invalid_token', error_description, resource_metadata }) };
  }
  const granted = new Set(token.scope?.split(' '));
  if (scope && !scope.split(' ').every((name) => granted.has(name))) {
    const error_description = `the access token lacks the scope this needs: ${scope}`;
    return { ok: false, ...refuse(403, { error: 'insufficient_scope', error_description, scope, resource_metadata }) };
  }
  // A token without a user has no subject, or the client's id as its subject (RFC 9068 section 2.2).
  if (user && (token.sub === undefined || token.sub === token.client_id)) {
    const error_description = 'this needs an access token that was issued for a person';
    return { ok: false, ...refuse(403, { error: 'insufficient_scope', error_description, resource_metadata }) };
  }
  return { ok: true, token };
}
