import { createLocalJWKSet, type JSONWebKeySet, type JWK, type JWTPayload, errors as jose, jwtVerify } from 'jose';
import type { AccessToken, ClientCredentials, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Database } from '../../platform/database.ts';
import { randomSecret } from '../../platform/secrets.ts';
import type { ClientCache } from '../clients/cache.ts';
import { JWT_TYPES, SIGNING_ALGORITHMS } from '../clients/signing-algorithms.ts';
import { override } from '../internals.ts';
import type { ResourceServer } from '../scopes/resource-servers.ts';
import { readGround } from '../store/grounds.ts';
import type { Payload, ProtocolStore } from '../store/store.ts';
import { place, recall, remember } from '../store/unit-of-work.ts';

/**
 * Owns how this server reads its JWT access tokens (RFC 9068). They are not stored, so each names the records it depends on.
 * The server finds a token by its signature. The library writes the JWTs; introspection.ts decides who may introspect them.
 *
 * Two private claims (RFC 7519 section 4.3) name the records of a user's token. `grant_id` is the user's grant to the client.
 * `session_id` is the user's session, and is present only when the token ends with that session. Both are record ids.
 * No endpoint accepts them, and neither is a token or cookie value, so an API cannot use them for access. A token that opens userinfo has
 * `userinfo_claims`: the names of the claims that the client asked for (OIDC Core section 5.5), without their values.
 */

/** Three parts of a signed token, or five of an encrypted one (RFC 7515 section 3.1, RFC 7516 section 3.1). */
const COMPACT = /^[\w-]*(\.[\w-]*){2}(\.[\w-]*\.[\w-]*)?$/;

/** What the library passes to `formats.customizers.jwt` before it signs. */
type Unsigned = { header?: object | undefined; payload: Record<string, unknown> };

/** Adds the records that a token depends on, and sets the header `typ` that its API chose. */
export function completeJwt(servers: readonly ResourceServer[]) {
  return (_ctx: KoaContextWithOIDC, token: AccessToken | ClientCredentials, jwt: Unsigned): void => {
    if ('grantId' in token && token.grantId) {
      jwt.payload['grant_id'] = token.grantId;
      if (token.expiresWithSession) jwt.payload['session_id'] = token.sessionUid;
      const asked = (token.claims as { userinfo?: object } | undefined)?.userinfo;
      if (asked && [token.aud].flat().length > 1) jwt.payload['userinfo_claims'] = asked;
    }
    const api = servers.find(({ identifier }) => identifier === token.resourceServer?.identifier());
    if (api) jwt.header = { ...jwt.header, typ: api.jwtType };
  };
}

/** What reading a JWT needs. `jwks`: the published keys, retired ones included. */
type JwtSource = {
  database: Database;
  clients: ClientCache;
  issuer: string;
  /** The address of the userinfo endpoint, which a token's audience may name. */
  userinfo: string;
  jwks: { keys: readonly object[] };
  servers: readonly ResourceServer[];
};

/** Wraps a store of access tokens so that it finds JWTs as well. */
export type WithJwts = (store: ProtocolStore, kind: string) => ProtocolStore;

/** @returns a wrapper that makes a store answer for a JWT of this server as for a stored token. */
export function createJwtAccessTokens(source: JwtSource): WithJwts {
  const keys = createLocalJWKSet({ keys: source.jwks.keys.map((key) => publicHalf(key as JWK)) } as JSONWebKeySet);
  return (store, kind) => ({
    ...store,
    async find(value) {
      const jwt = COMPACT.test(value) ? value : await recall<string>(presented(value));
      if (jwt === undefined) return store.find(value);
      const found = await remember(`JWT ${jwt}`, () => read(source, keys, jwt));
      if (found?.kind !== kind) return undefined;
      // Introspection describes any JWT. To be used as a token here, a JWT must name this server's endpoint (RFC 9068 section 4).
      return jwt !== value || [found['aud']].flat().includes(source.userinfo) ? found : undefined;
    },
  });
}

function publicHalf({ kty, kid, alg, use, crv, x, y, n, e }: JWK): JWK {
  return Object.fromEntries(Object.entries({ kty, kid, alg, use, crv, x, y, n, e }).filter(([, value]) => value !== undefined)) as JWK;
}

type Claims = JWTPayload & {
  client_id?: unknown;
  scope?: unknown;
  cnf?: { jkt?: string };
  grant_id?: unknown;
  session_id?: unknown;
  userinfo_claims?: object;
};

/**
 * @returns what a store would hold of the token. Undefined unless this server signed it and its API and client still exist.
 * A user's token also needs its account, and a grant with every scope of the token. The library compares the session, as for any token.
 */
async function read(source: JwtSource, keys: ReturnType<typeof createLocalJWKSet>, jwt: string): Promise<Payload | undefined> {
  const claims = await verify(source, keys, jwt);
  if (!claims) return undefined;
  const { iss: _, sub, aud, exp, iat, jti, scope, client_id, cnf, grant_id, session_id, userinfo_claims, ...extra } = claims;
  const isMeantFor = ({ identifier, registeredAt = 0 }: ResourceServer) => [aud].flat().includes(identifier) && Number(iat) >= registeredAt;
  // An ID token has no client_id, and its audience is a client.
  if (typeof client_id !== 'string' || !source.servers.some(isMeantFor)) return undefined;
  if (!(await source.clients.find(client_id))) return undefined;
  const token = { jti, iat, exp, aud, scope, extra, clientId: client_id, ...(cnf?.jkt ? { jkt: cnf.jkt } : undefined) };
  if (typeof grant_id !== 'string') return sub === client_id ? ({ ...token, kind: 'ClientCredentials' } as Payload) : undefined;
  const ground = await readGround(source.database, {
    grantId: grant_id,
    sessionUid: session_id as string | undefined,
    accountId: String(sub),
  });
  if (!ground.account || !allows(ground.grant?.payload, String(scope ?? ''))) return undefined;
  return {
    ...token,
    kind: 'AccessToken',
    accountId: sub,
    grantId: grant_id,
    ...(userinfo_claims ? { claims: { userinfo: userinfo_claims } } : undefined),
    ...(session_id === undefined ? undefined : { sessionUid: session_id, expiresWithSession: true }),
  } as Payload;
}

/** @returns the claims of a JWT that a published key signed; undefined for any other text. */
async function verify({ issuer }: JwtSource, keys: ReturnType<typeof createLocalJWKSet>, jwt: string): Promise<Claims | undefined> {
  try {
    // A key in the header, or one that the header points to, is never read. `none` and HS* are not allowed algorithms (RFC 8725 section
    // 3.1).
    const algorithms = [...SIGNING_ALGORITHMS];
    const { payload, protectedHeader } = await jwtVerify(jwt, keys, {
      issuer,
      algorithms,
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'aud'],
    });
    return (JWT_TYPES as readonly unknown[]).includes(protectedHeader.typ) ? (payload as Claims) : undefined;
  } catch (error) {
    if (error instanceof jose.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Whether a user's grant still has every scope of a token: the user may have withdrawn one. @param grant the library's record of it. */
function allows(grant: { openid?: { scope?: string }; resources?: Record<string, string> } | undefined, scope: string): boolean {
  if (!grant) return false;
  const granted = new Set([grant.openid?.scope, ...Object.values(grant.resources ?? {})].flatMap((scopes) => scopes?.split(' ') ?? []));
  return scope.split(' ').every((name) => !name || granted.has(name));
}

/**
 * Lets JWTs reach introspection. The library refuses every JWT there, because it stores none.
 * The library gets a handle instead, which stands for the JWT during this request only.
 * Revocation still refuses JWTs (RFC 7009 section 2.2.1, `unsupported_token_type`): an API that verifies JWTs itself would not notice a
 * revocation.
 */
export function introspectJwts(provider: Provider): void {
  override(
    provider,
    'OIDCContext.entity',
    (entity) =>
      function (key, value) {
        const token = this.params?.['token'];
        // The library names the client once it has found it, before it reads the token.
        if (key === 'Client' && this.route === 'introspection' && typeof token === 'string' && COMPACT.test(token)) {
          const handle = randomSecret();
          place(presented(handle), token);
          Object.assign(this.params as object, { token: handle });
        }
        entity.call(this, key, value);
      },
  );
}

const presented = (handle: string): string => `presented JWT ${handle}`;
