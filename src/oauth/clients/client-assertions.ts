import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose';
import { type Client, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { epochSeconds, HOUR, MINUTE, systemClock } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import { answerInTurn, override } from '../internals.ts';
import { rememberOnce } from '../store/records.ts';
import { AMBIGUOUS_KEY, isAmbiguous } from './client-keys.ts';
import { hasFapiProfile } from './client-profile.ts';

/**
 * Owns the rules for the claims of a client assertion, `private_key_jwt` (RFC 7523 section 3), and that each assertion is used once.
 * The library verifies the signature with the client's registered keys.
 */

/** All asymmetric algorithms that `jose` verifies and a client library may choose by default (RFC 7518 section 3.1, RFC 8037). */
export const ASSERTION_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'],
  ...['EdDSA', 'Ed25519'],
];
// FAPI 2.0 Security Profile section 5.4.1.
const FAPI_ALGORITHMS = ['PS256', 'ES256', 'EdDSA', 'Ed25519'];

/** How far a client's clock may differ from ours. FAPI 2.0 Security Profile section 5.3.2.1 asks servers to accept 10 seconds. */
export const CLOCK_LEEWAY_SECONDS = 10;

// How far the library lets the time of a DPoP proof differ from ours, in both directions.
const PROOF_WINDOW_SECONDS = 5 * MINUTE;

// A stolen assertion works until it expires, unless the client used it first. Client libraries sign for up to an hour.
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

/** What is wrong in an assertion: a claim, a header parameter, or the whole of it. */
export type Claim = 'client_assertion' | 'alg' | 'kid' | 'iss' | 'aud' | 'exp' | 'iat' | 'nbf' | 'jti';

/**
 * Each rule returns the problem of one claim, or undefined. The rules run in this order, and read claims and header before the signature is verified.
 * These are the sender's own values, so naming the problem tells an attacker nothing.
 * Wrong keys and unknown clients get the same error.
 */
const rules: Record<Exclude<Claim, 'client_assertion'>, (assertion: Assertion) => string | undefined> = {
  alg({ header, client }) {
    const registered = client['clientAuthSigningAlg'] as string | undefined;
    const allowed = registered ? [registered] : hasFapiProfile(client) ? FAPI_ALGORITHMS : ASSERTION_ALGORITHMS;
    return allowed.includes(String(header.alg)) ? undefined : `alg must be ${allowed.join(', ')}: it is ${shown(header.alg)}`;
  },
  kid({ header, client }) {
    return isAmbiguous(client, header) ? AMBIGUOUS_KEY : undefined;
  },
  iss({ claims, client }) {
    return claims.iss === client.clientId ? undefined : `iss must be the client_id: it is ${shown(claims.iss)}`;
  },
  aud({ claims: { aud }, client, issuer, audiences }) {
    // A list may also name another server, which could then present the assertion here (FAPI 2.0 Security Profile section 5.3.2.1).
    if (hasFapiProfile(client)) return aud === issuer ? undefined : `aud must be the issuer ${issuer} as a string: it is ${shown(aud)}`;
    return [aud].flat().some((one) => typeof one === 'string' && audiences.includes(withoutSlash(one)))
      ? undefined
      : `aud must be the issuer ${issuer} or the token endpoint: it is ${shown(aud)}`;
  },
  exp({ claims: { exp }, client, now }) {
    if (typeof exp !== 'number') return `exp must be a number of seconds since 1970: it is ${shown(exp)}`;
    if (exp <= now - CLOCK_LEEWAY_SECONDS)
      return `exp must be ahead: the assertion expired ${now - exp} seconds ago by this server's clock`;
    const life = hasFapiProfile(client) ? FAPI_MAX_LIFE_SECONDS : MAX_LIFE_SECONDS;
    if (exp > now + life + CLOCK_LEEWAY_SECONDS) return `exp must be at most ${life} seconds ahead: it is ${exp - now} seconds ahead`;
    return undefined;
  },
  // Both are optional. A time in the past is never too old: only `exp` limits the assertion's life.
  iat: ({ claims, now }) => timeProblem('iat', claims.iat, now),
  nbf: ({ claims, now }) => timeProblem('nbf', claims.nbf, now),
  jti({ claims: { jti } }) {
    return jti === undefined || typeof jti === 'string' ? undefined : `jti must be a string: it is ${shown(jti)}`;
  },
};

function timeProblem(name: string, value: unknown, now: number): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') return `${name} must be a number of seconds since 1970: it is ${shown(value)}`;
  const ahead = value - now;
  return ahead > CLOCK_LEEWAY_SECONDS ? `${name} must not be ahead of this server's clock: it is ${ahead} seconds ahead` : undefined;
}

/**
 * Runs the rules before the library's own check of assertions. The library asks for the accepted audiences when it knows the client and has
 * not yet read the assertion.
 */
export function judgeAssertions(provider: Provider, issuer: string): void {
  type Context = { urlFor(route: string): string; params: Record<string, unknown> };
  override(
    provider,
    'OIDCContext.clientJwtAuthExpectedAudience',
    () =>
      function () {
        const { urlFor, params } = this as unknown as Context;
        const assertion = String(params['client_assertion']);
        const { claims, header } = decode(assertion);
        const audiences = [issuer, urlFor.call(this, 'token'), urlFor.call(this, this.route)];
        const now = epochSeconds(systemClock.now());
        const judged = { claims, header, client: this.client as Client, issuer, audiences, now };
        for (const [claim, rule] of Object.entries(rules)) {
          const problem = rule(judged);
          if (problem) throw refusal(problem, claim as Claim);
        }
        if (!claims.jti) nameByDigest(params, assertion);
        return { has: () => true };
      },
  );
}

/** @throws errors.InvalidClientAuth for anything that is not a JWT. */
function decode(assertion: string): Pick<Assertion, 'claims' | 'header'> {
  try {
    return { claims: decodeJwt(assertion), header: decodeProtectedHeader(assertion) };
  } catch {
    throw refusal('client_assertion must be a signed JWT', 'client_assertion');
  }
}

function refusal(problem: string, claim: Claim): Error {
  return Object.assign(new errors.InvalidClientAuth(`assertion: ${problem}`), { error_description: `client assertion: ${problem}`, claim });
}

/**
 * Gives an assertion without `jti` the digest of its signed content as `jti`, so that it can be used only once. The signature is not
 * hashed:
 * anyone can turn an ECDSA signature into a second valid one.
 * The library requires `jti` among the claims, which it reads first; then it verifies the assertion as sent.
 * If a later version reads them in the other order, it refuses the assertion.
 */
function nameByDigest(params: Record<string, unknown>, assertion: string): void {
  const [header, content, signature] = assertion.split('.');
  const jti = createHash('sha256').update(`${header}.${content}`).digest('base64url');
  const named = Buffer.from(JSON.stringify({ ...decodeJwt(assertion), jti })).toString('base64url');
  answerInTurn(params, 'client_assertion', [`${header}.${named}.${signature}`, assertion]);
}

const withoutSlash = (address: string): string => address.replace(/\/$/, '');

/** A value as an error description may quote it: short, printable ASCII without quotes and backslashes (RFC 6749 section 5.2). */
function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.slice(0, 100).replace(/[^\x20-\x7e]|["\\]/g, '?') || 'empty';
}

/**
 * Makes the library's replay check one statement. The library first finds and then saves, so parallel requests could all pass.
 * Serves assertions and DPoP proofs (RFC 9449 section 11.1).
 * The library remembers a proof for as long as one made now is valid. A proof dated ahead is valid longer, up to twice as long.
 */
export function rememberReplaysOnce(provider: Provider, database: Database): void {
  override(provider, 'static ReplayDetection.unique', () => (iss, jti, exp) => {
    const lifeSeconds = exp - epochSeconds(systemClock.now()) + PROOF_WINDOW_SECONDS + CLOCK_LEEWAY_SECONDS;
    return rememberOnce(database, JSON.stringify([iss, jti]), lifeSeconds, firstUsableAt(Provider.ctx as KoaContextWithOIDC | undefined));
  });
}

/**
 * @returns when this request's assertion or DPoP proof could first be used; the older one counts. Unreadable ones are refused elsewhere.
 */
function firstUsableAt(ctx: KoaContextWithOIDC | undefined): number | undefined {
  const moments = [ctx?.oidc.params?.['client_assertion'], ctx?.get('DPoP')].flatMap((jwt) => {
    try {
      const { iat = 0, exp = 0 } = decodeJwt(String(jwt));
      // An assertion with a longer life than an hour is refused until its last hour.
      return [Math.max(iat, exp - MAX_LIFE_SECONDS)];
    } catch {
      return [];
    }
  });
  return moments.length ? Math.min(...moments) : undefined;
}
