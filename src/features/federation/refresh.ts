import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, Prisma } from '../../platform/database.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { type Held, readHeld, replaceHeld, unseal } from './held-tokens.ts';
import type { UpstreamProvider } from './providers.ts';
import { refreshTokens, type UpstreamTokens } from './upstream.ts';
import { UpstreamError } from './upstream-error.ts';

/**
 * Owns the getting of new tokens for old ones, once: to a provider that rotates them, the second who uses a refresh token is a thief
 * (RFC 9700 section 4.14.2). Of any number of requests on any number of nodes one claims the row; no transaction waits for the provider.
 */

// Longer than the provider is waited for, and than it is tried to keep what it gave. Whoever dies meanwhile is replaced after it.
const CLAIM_SECONDS = 10;

// The old refresh token may be worth nothing by now: what came for it is not let go because the database is busy.
const KEEP_TRIES = 5;
const KEEP_EVERY_MS = 1_000;

// After a failure the provider is left alone for so long.
const REST_SECONDS = 1;

/** How long a node waits for another that is at it. */
const WAIT_MS = 3_000;
const LOOK_EVERY_MS = 100;

type Refreshable = Held & { refreshToken: string };

// What this node is getting, by the token that it is got for: all requests for it wait together, for one look at the row.
const renewals = new WeakMap<Database, Map<string, Promise<boolean>>>();

/** Whether somebody is at it, here or elsewhere. */
export const isUnderWay = (database: Database, { claimed, accessToken }: Held): boolean =>
  claimed || renewals.get(database)?.has(accessToken) === true;

/** Gets new tokens, or waits for whoever is at it, in less than five seconds. @returns false when the row is as it was: the provider did not answer, or nothing that can be believed. */
export function renew(database: Database, keyRing: KeyRing, provider: UpstreamProvider, held: Refreshable): Promise<boolean> {
  const mine = renewals.get(database) ?? new Map<string, Promise<boolean>>();
  renewals.set(database, mine);
  const underWay = mine.get(held.accessToken);
  if (underWay) return underWay;
  const renewal = refreshOrWait(database, keyRing, provider, held).finally(() => mine.delete(held.accessToken));
  mine.set(held.accessToken, renewal);
  return renewal;
}

async function refreshOrWait(database: Database, keyRing: KeyRing, provider: UpstreamProvider, held: Refreshable): Promise<boolean> {
  const outcome = held.claimed ? 'taken' : await refreshOnce(database, keyRing, provider, held);
  return outcome === 'taken' ? waitForOther(database, held) : outcome !== 'failed';
}

async function refreshOnce(
  database: Database,
  keyRing: KeyRing,
  provider: UpstreamProvider,
  held: Refreshable,
): Promise<'refreshed' | 'ended' | 'failed' | 'taken'> {
  if (!(await claim(database, held))) return 'taken';
  let tokens: UpstreamTokens;
  try {
    const refreshToken = unseal(keyRing, held.id, held.refreshToken);
    tokens = await refreshTokens(keyRing, provider, { refreshToken, scope: held.scope });
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    // What the provider says of us, such as invalid_client, is an operator's to mend and not the person's.
    const ended = error.kind === 'refused' && error.code === 'invalid_grant';
    await (ended ? endHeld(database, held) : rest(database, held));
    return ended ? 'ended' : 'failed';
  }
  const keep = () => replaceHeld(database, keyRing, held, tokens);
  try {
    await keep();
  } catch (error) {
    // Who asked is not kept waiting for it.
    void tryAgain(keep);
    throw error;
  }
  return 'refreshed';
}

async function tryAgain(keep: () => Promise<void>): Promise<void> {
  for (let tries = 1; tries <= KEEP_TRIES; tries++) {
    await sleep(KEEP_EVERY_MS);
    const kept = await keep().then(
      () => true,
      () => false,
    );
    if (kept) return;
  }
}

async function claim(database: Database, { id, accessToken }: Held): Promise<boolean> {
  const rows = await database.change(Prisma.sql`
    update upstream_token set claimed_until = clock_timestamp() + ${CLAIM_SECONDS} * interval '1 second'
    where id = ${id} and access_token = ${accessToken} and ended_at is null and (claimed_until is null or claimed_until <= now())
    returning 1`);
  return rows.length > 0;
}

/** Writes down that the provider gives nothing for it any more: the person is needed. */
export async function endHeld(database: Database, { id, accessToken }: Held): Promise<void> {
  await database.change(Prisma.sql`
    update upstream_token set ended_at = now(), claimed_until = null where id = ${id} and access_token = ${accessToken}`);
}

async function rest(database: Database, { id, accessToken }: Held): Promise<void> {
  await database.change(Prisma.sql`
    update upstream_token set claimed_until = clock_timestamp() + ${REST_SECONDS} * interval '1 second'
    where id = ${id} and access_token = ${accessToken}`);
}

/** @returns false when there is none to wait for any more. */
async function waitForOther(database: Database, { id, accessToken }: Held): Promise<boolean> {
  let claim: string | null | undefined;
  for (let waited = 0; waited < WAIT_MS; waited += LOOK_EVERY_MS) {
    const row = await readHeld(database, id);
    if (row?.accessToken !== accessToken || row.ended) return true;
    claim ??= row.claim;
    // Another claim is the rest after a failure. Whoever has waited does not begin: that would take too long.
    if (!row.claimed || row.claim !== claim) return false;
    await sleep(LOOK_EVERY_MS);
  }
  return false;
}
