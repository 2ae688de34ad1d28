import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose';
import { type Client, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { hasFapiProfile } from '../clients/client-profile.ts';
import { epochSeconds, HOUR, MINUTE, systemClock } from '../platform/clock.ts';
import type { Database } from '../platform/database.ts';
import { rememberOnce } from '../protocol-store/records.ts';
import { AMBIGUOUS_KEY, isAmbiguous } from './client-keys.ts';

/**
 * Owns the rules for the claims of a client assertion, `private_key_jwt` (RFC 7523 section 3), and that each assertion is used once.
 * Does not verify the signature: the library does, with the client's registered keys.
 */

/** All asymmetric algorithms that `jose` verifies and a client library may choose by default (RFC 7518 section 3.1, RFC 8037). */
export const ASSERTION_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'],
  ...['EdDSA', 'Ed25519'],
];
// FAPI 2.0 Security Profile section 5.4.1.
const FAPI_ALGORITHMS = ['PS256', 'ES256', 'EdDSA', 'Ed25519'];

/** How far a client's clock may differ from ours: FAPI 2.0 Security Profile section 5.3.2.1 asks servers to accept 10 seconds. */
export const CLOCK_LEEWAY_SECONDS = 10;

// As far as the library lets the time of a DPoP proof differ from ours, both ways.
const PROOF_WINDOW_SECONDS = 5 * MINUTE;

// A stolen assertion can be used until it expires, unless the client used it first. Client libraries sign for up to an hour.
const MAX_LIFE_SECONDS = HOUR;
const FAPI_MAX_LIFE_SECONDS = 5 * MINUTE;

type Assertion = {
  claims: JWTPayload & Record<string, unknown>;
  header: ProtectedHeaderParameters;
  client: Client;
  issuer: string;
  /** The issuer, the token endpoint, and the endpoint that was called. */
  audiences: string[];
  now: number;
};

/**
 * Each rule says what is wrong with an assertion, or nothing. They look at claims and header alone, before the signature is verified:
 * these are the sender's own words, so naming the fault tells an attacker nothing. Wrong keys and unknown clients are not told apart.
 */
const rules: ((assertion: Assertion) => string | undefined)[] = [
  function algorithm({ header, client }) {
    const registered = client['clientAuthSigningAlg'] as string | undefined;
    const allowed = registered ? [registered] : hasFapiProfile(client) ? FAPI_ALGORITHMS : ASSERTION_ALGORITHMS;
    return allowed.includes(String(header.alg)) ? undefined : `alg must be ${allowed.join(', ')}: it is ${shown(header.alg)}`;
  },
  function key({ header, client }) {
    return isAmbiguous(client, header) ? AMBIGUOUS_KEY : undefined;
  },
  function issuer({ claims, client }) {
    return claims.iss === client.clientId ? undefined : `iss must be the client_id: it is ${shown(claims.iss)}`;
  },
  function audience({ claims: { aud }, client, issuer, audiences }) {
    // A list may name another server too, which could then present the assertion here (FAPI 2.0 Security Profile section 5.3.2.1).
    if (hasFapiProfile(client)) return aud === issuer ? undefined : `aud must be the issuer ${issuer} as a string: it is ${shown(aud)}`;
    return [aud].flat().some((one) => typeof one === 'string' && audiences.includes(withoutSlash(one)))
      ? undefined
      : `aud must be the issuer ${issuer} or the token endpoint: it is ${shown(aud)}`;
  },
  function expiry({ claims: { exp }, client, now }) {
    if (typeof exp !== 'number') return `exp must be a number of seconds since 1970: it is ${shown(exp)}`;
    if (exp <= now - CLOCK_LEEWAY_SECONDS)
      return `exp must be ahead: the assertion expired ${now - exp} seconds ago by this server's clock`;
    const life = hasFapiProfile(client) ? FAPI_MAX_LIFE_SECONDS : MAX_LIFE_SECONDS;
    if (exp > now + life + CLOCK_LEEWAY_SECONDS) return `exp must be at most ${life} seconds ahead: it is ${exp - now} seconds ahead`;
    return undefined;
  },
  // Both are optional. One that lies back is never too old: `exp` alone says how long the assertion holds.
  ({ claims, now }) => timeProblem('iat', claims.iat, now),
  ({ claims, now }) => timeProblem('nbf', claims.nbf, now),
  function identifier({ claims: { jti } }) {
    return jti === undefined || typeof jti === 'string' ? undefined : `jti must be a string: it is ${shown(jti)}`;
  },
];

function timeProblem(name: string, value: unknown, now: number): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') return `${name} must be a number of seconds since 1970: it is ${shown(value)}`;
  const ahead = value - now;
  return ahead > CLOCK_LEEWAY_SECONDS ? `${name} must not be ahead of this server's clock: it is ${ahead} seconds ahead` : undefined;
}

/**
 * Puts the rules in front of the library's own check of assertions. The library asks which audiences it may accept once the client is known,
 * and before it looks at the assertion.
 */
export function judgeAssertions(provider: Provider, issuer: string): void {
  type Context = KoaContextWithOIDC['oidc'] & { urlFor(route: string): string; params: Record<string, unknown> };
  const { prototype } = (provider as unknown as { OIDCContext: { prototype: object } }).OIDCContext;
  Object.defineProperty(prototype, 'clientJwtAuthExpectedAudience', {
    value(this: Context): { has(audience: unknown): boolean } {
      const assertion = String(this.params['client_assertion']);
      const { claims, header } = decode(assertion);
      const audiences = [issuer, this.urlFor('token'), this.urlFor(this.route)];
      const now = epochSeconds(systemClock.now());
      const judged = { claims, header, client: this.client as Client, issuer, audiences, now };
      for (const rule of rules) {
        const problem = rule(judged);
        if (problem) throw refusal(problem);
      }
      if (!claims.jti) nameByDigest(this.params, assertion);
      return { has: () => true };
    },
  });
}

/** @throws errors.InvalidClientAuth for what is no JWT. */
function decode(assertion: string): Pick<Assertion, 'claims' | 'header'> {
  try {
    return { claims: decodeJwt(assertion), header: decodeProtectedHeader(assertion) };
  } catch {
    throw refusal('client_assertion must be a signed JWT');
  }
}

function refusal(problem: string): Error {
  return Object.assign(new errors.InvalidClientAuth(`assertion: ${problem}`), { error_description: `client assertion: ${problem}` });
}

/**
 * Gives an assertion without `jti` the digest of what was signed as its `jti`, so that it is used once like any other. The signature is left out:
 * anyone can turn an ECDSA signature into a second valid one.
 * The library requires `jti` among the claims, which it reads first; then it verifies the assertion as it was sent. If a later version reads
 * them in the other order, it refuses the assertion.
 */
function nameByDigest(params: Record<string, unknown>, assertion: string): void {
  const [header, content, signature] = assertion.split('.');
  const jti = createHash('sha256').update(`${header}.${content}`).digest('base64url');
  const named = Buffer.from(JSON.stringify({ ...decodeJwt(assertion), jti })).toString('base64url');
  const readings = [`${header}.${named}.${signature}`];
  Object.defineProperty(params, 'client_assertion', { enumerable: true, get: () => readings.shift() ?? assertion });
}

const withoutSlash = (address: string): string => address.replace(/\/$/, '');

/** A value as a description may quote it: printable ASCII without quotes and backslashes (RFC 6749 section 5.2), and not long. */
function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.slice(0, 100).replace(/[^\x20-\x7e]|["\\]/g, '?') || 'empty';
}

/**
 * Makes the library's replay check one statement: its own finds first and saves after, which parallel requests all pass.
 * Serves assertions and DPoP proofs (RFC 9449 section 11.1) alike.
 * The library remembers a proof as long as it is good if it was made now. One that is dated ahead is good for longer, up to twice as long.
 */
export function rememberReplaysOnce(provider: Provider, database: Database): void {
  const model = provider.ReplayDetection as unknown as { unique(iss: string, jti: string, exp: number): Promise<boolean> };
  model.unique = (iss, jti, exp) => {
    const lifeSeconds = exp - epochSeconds(systemClock.now()) + PROOF_WINDOW_SECONDS + CLOCK_LEEWAY_SECONDS;
    return rememberOnce(database, JSON.stringify([iss, jti]), lifeSeconds, goodSince(Provider.ctx as KoaContextWithOIDC | undefined));
  };
}

/** When this request's assertion or DPoP proof could be used first, by the older one of the two. What cannot be read is refused elsewhere. */
function goodSince(ctx: KoaContextWithOIDC | undefined): number | undefined {
  const moments = [ctx?.oidc.params?.['client_assertion'], ctx?.get('DPoP')].flatMap((jwt) => {
    try {
      const { iat = 0, exp = 0 } = decodeJwt(String(jwt));
      // One that is good for longer than an hour is refused until its last hour.
      return [Math.max(iat, exp - MAX_LIFE_SECONDS)];
    } catch {
      return [];
    }
  });
  return moments.length ? Math.min(...moments) : undefined;
}
