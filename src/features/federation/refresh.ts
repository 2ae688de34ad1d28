import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, Prisma } from '../../platform/database.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { type Held, readHeld, replaceHeld, unseal } from './held-tokens.ts';
import type { UpstreamProvider } from './providers.ts';
import { refreshTokens, type UpstreamTokens } from './upstream.ts';
import { UpstreamError } from './upstream-error.ts';

/**
 * Owns the refresh of upstream tokens, exactly once for each refresh token. A provider that rotates them treats a second use as theft (RFC
 * 9700 section 4.14.2). One request on one node claims the row. No transaction stays open during the provider's response.
 */

// Longer than the timeout of the provider plus the retries of the write. If the node dies, another request can claim the row afterwards.
const CLAIM_SECONDS = 10;

// The old refresh token may be invalid by now, so a busy database must not lose the new tokens: the write is retried.
const KEEP_TRIES = 5;
const KEEP_EVERY_MS = 1_000;

// After a failure, requests leave the provider alone for this long.
const REST_SECONDS = 1;

/** How long a node waits for another node's refresh. */
const WAIT_MS = 3_000;
const LOOK_EVERY_MS = 100;

type Refreshable = Held & { refreshToken: string };

// This node's running refreshes, by the token they replace. All requests for one token share one promise and one poll of the row.
const renewals = new WeakMap<Database, Map<string, Promise<boolean>>>();

/** @returns whether this node or another one is refreshing the tokens. */
export const isUnderWay = (database: Database, { claimed, accessToken }: Held): boolean =>
  claimed || renewals.get(database)?.has(accessToken) === true;

/**
 * Refreshes the tokens, or waits for a running refresh, in less than five seconds.
 * @returns false when the row is unchanged, because the provider did not answer or its answer was not trustworthy.
 */
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
    // An error about us as a client, such as invalid_client, is for an operator to fix. It does not end the user's tokens.
    const ended = error.kind === 'refused' && error.code === 'invalid_grant';
    await (ended ? endHeld(database, held) : rest(database, held));
    return ended ? 'ended' : 'failed';
  }
  const keep = () => replaceHeld(database, keyRing, held, tokens);
  try {
    await keep();
  } catch (error) {
    // Retry in the background: the caller must not wait for it.
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

/** Records that the provider issues no more tokens for this row, so that the user must authorize again. */
export async function endHeld(database: Database, { id, accessToken }: Held): Promise<void> {
  await database.change(Prisma.sql`
    update upstream_token set ended_at = now(), claimed_until = null where id = ${id} and access_token = ${accessToken}`);
}

async function rest(database: Database, { id, accessToken }: Held): Promise<void> {
  await database.change(Prisma.sql`
    update upstream_token set claimed_until = clock_timestamp() + ${REST_SECONDS} * interval '1 second'
    where id = ${id} and access_token = ${accessToken}`);
}

/** @returns true once the row has new tokens or has ended; false when no refresh is running, or after WAIT_MS. */
async function waitForOther(database: Database, { id, accessToken }: Held): Promise<boolean> {
  let claim: string | null | undefined;
  for (let waited = 0; waited < WAIT_MS; waited += LOOK_EVERY_MS) {
    const row = await readHeld(database, id);
    if (row?.accessToken !== accessToken || row.ended) return true;
    claim ??= row.claim;
    // A different claim is the pause after a failure. This request has already waited, so it must not start a refresh of its own.
    if (!row.claimed || row.claim !== claim) return false;
    await sleep(LOOK_EVERY_MS);
  }
  return false;
}
