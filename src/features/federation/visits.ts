import { type Database, Prisma } from '../../platform/database.ts';
import { digest, digestInHex, type KeyRing, randomSecret } from '../../platform/secrets.ts';
import type { Details } from './details.ts';
import { callbackOf, findProvider, type UpstreamProvider } from './providers.ts';
import { type Begun, beginAuthorization, completeAuthorization, type UpstreamTokens } from './upstream.ts';
import { judged } from './upstream-error.ts';

/**
 * Owns the visits of browsers to a provider. Each visit has a path to return to and is bound to an interaction or a session. An answer from
 * another browser, for another path, or a second time is refused.
 */

export const VISIT_MINUTES = 10;

export type UpstreamVisit = {
  provider: UpstreamProvider;
  /** Identifies the visit; the provider returns it as `state`. */
  state: string;
  begun: Begun;
  /** Values that the caller gets back with the answer. */
  carried: Record<string, unknown>;
};

/**
 * Begins a visit. @param returnTo a path of ours, to which the callback forwards the provider's answer.
 * @param bound names what the browser must have to continue, such as `interaction <uid>`.
 * @returns the address to send the browser to. @throws UpstreamError when discovery fails.
 */
export async function beginVisit(
  database: Database,
  keyRing: KeyRing,
  {
    issuer,
    provider,
    returnTo,
    bound,
    scopes,
    offline = false,
    carried = {},
    loginHint,
    maxAgeSeconds,
  }: {
    issuer: string;
    provider: UpstreamProvider;
    returnTo: string;
    bound: string;
    scopes: string[];
    offline?: boolean;
    carried?: Record<string, unknown>;
    loginHint?: string;
    maxAgeSeconds?: number;
  },
): Promise<string> {
  const state = randomSecret();
  const redirectUri = callbackOf(issuer, provider.id);
  const { url, begun } = await beginAuthorization(keyRing, provider, {
    redirectUri,
    state,
    scopes,
    offline,
    ...(loginHint ? { loginHint } : undefined),
    ...(maxAgeSeconds === undefined ? undefined : { maxAgeSeconds }),
  });
  const seal = (text: string) => keyRing.encrypt(text, sealedAs(state));
  await database.change(Prisma.sql`
    insert into upstream_visit (id, provider_id, return_to, bound, sealed, expires_at)
    values (${digest(state)}, ${provider.id}, ${seal(returnTo)}, ${digestInHex(bound)}, ${seal(JSON.stringify({ begun, carried }))}, now() + ${VISIT_MINUTES} * interval '1 minute')`);
  return url;
}

/**
 * @returns the path a visit returns to; undefined when it is over, expired, unknown, or went to another provider (RFC 9700 section 4.4).
 */
export async function placeOf(database: Database, keyRing: KeyRing, providerId: string, state: string): Promise<string | undefined> {
  const [row] = await database.query<{ return_to: string }>(Prisma.sql`
    select return_to from upstream_visit where id = ${digest(state)} and provider_id = ${providerId} and consumed_at is null and expires_at > now()`);
  return row && keyRing.decrypt(row.return_to, sealedAs(state));
}

/**
 * Ends a visit, once: of several browsers with the same answer, one gets it. @param query see redeem(). @param bound the same value as in
 * beginVisit().
 */
export async function endVisit(database: Database, keyRing: KeyRing, query: string, bound: string): Promise<UpstreamVisit | undefined> {
  const state = new URLSearchParams(query).get('state') ?? '';
  const [row] = await database.change<{ provider_id: string; sealed: string }>(Prisma.sql`
    update upstream_visit set consumed_at = now()
    where id = ${digest(state)} and bound = ${digestInHex(bound)} and consumed_at is null and expires_at > now()
    returning provider_id, sealed`);
  const provider = row && (await findProvider(database, row.provider_id));
  if (!row || !provider) return undefined;
  return { provider, state, ...JSON.parse(keyRing.decrypt(row.sealed, sealedAs(state))) };
}

export type Arrival = UpstreamVisit & { subject: string; details: Details; tokens: UpstreamTokens };

/** Exchanges the provider's answer to a visit. @param query the query with which the browser called our callback. @throws UpstreamError */
export async function redeem(keyRing: KeyRing, issuer: string, visit: UpstreamVisit, query: string): Promise<Arrival> {
  const answer = new URL(`${callbackOf(issuer, visit.provider.id)}?${query}`);
  return { ...visit, ...(await completeAuthorization(keyRing, visit.provider, { answer, state: visit.state, begun: visit.begun })) };
}

/**
 * Ends the visit of an answer and redeems it. @param query see redeem().
 * @returns undefined for a visit that is over or belongs to another browser; the provider is not contacted then. @throws UpstreamError
 */
export async function arrive(
  database: Database,
  keyRing: KeyRing,
  { issuer, query, bound }: { issuer: string; query: string; bound: string },
): Promise<Arrival | undefined> {
  const visit = await endVisit(database, keyRing, query, bound);
  if (!visit) return undefined;
  try {
    return await redeem(keyRing, issuer, visit, query);
  } catch (error) {
    throw Object.assign(judged(error), { provider: visit.provider });
  }
}

// The return path and the binding may name an interaction, whose id is as sensitive as its cookie.
const sealedAs = (state: string) => `upstream visit ${digestInHex(state)}`;
