import { type Database, Prisma } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import { DUE, keepSent } from '../../platform/outbox.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { unseal } from './held-tokens.ts';
import { findProvider } from './providers.ts';
import { revokeToken } from './upstream.ts';
import { UpstreamError } from './upstream-error.ts';

/**
 * Owns the telling of providers that a person's link has ended, whoever ended it: a trigger leaves the tokens in upstream_revocation, and they are
 * revoked there (RFC 7009), on whichever node. A provider that does not answer is asked again after ten seconds, each time twice as long after,
 * for a day.
 */

const CHANNEL = 'upstream_revocation';
const AT_ONCE = 4;

type Left = { id: string; providerId: string; accessToken: string; refreshToken: string | null; attempts: number; last: boolean };

type Parts = { database: Database; keyRing: KeyRing; log: Log; everyMs?: number };

/** Tells what there is to tell until it is stopped. */
export function keepProvidersTold({ database, keyRing, log, everyMs }: Parts): { stop(): Promise<void> } {
  return keepSent<Left>({
    database,
    log,
    channel: CHANNEL,
    atOnce: AT_ONCE,
    take: (room) => takeDue(database, room),
    send: (left) => tellOne({ database, keyRing, log }, left),
    waits: 'upstream_revocations_wait',
    everyMs,
  });
}

/** Taken by moving the time at which it is due: it comes up again by itself when this node dies. */
function takeDue(database: Database, room: number): Promise<Left[]> {
  return database.aside<Left>(Prisma.sql`
    update upstream_revocation set attempts = attempts + 1,
      due_at = now() + least(power(2, least(attempts, 20)) * interval '10 seconds', interval '1 hour')
    where id = any(array(
      select id from upstream_revocation where ${DUE} and expires_at > now() order by due_at limit ${room} for update skip locked))
    returning id, provider_id as "providerId", access_token as "accessToken", refresh_token as "refreshToken", attempts, due_at >= expires_at as last`);
}

async function tellOne({ database, keyRing, log }: Parts, left: Left): Promise<void> {
  const { id, providerId: provider, attempts } = left;
  try {
    const problem = await attempt(database, keyRing, left);
    if (problem && !problem.forGood && !left.last)
      return log.warn({ event: 'upstream_revocation_failed', provider, attempts, reason: problem.reason });
    if (problem) log.error({ event: 'upstream_revocation_given_up', provider, attempts, reason: problem.reason });
    await database.aside(Prisma.sql`delete from upstream_revocation where id = ${id}`);
  } catch (error) {
    log.error({ event: 'upstream_revocation_unnoted', provider, attempts, reason: (error as Error).message });
  }
}

/** @returns why the provider was not told; undefined when it was, or wants to be told of nothing. @throws what the database throws. */
async function attempt(database: Database, keyRing: KeyRing, left: Left): Promise<{ reason: string; forGood: boolean } | undefined> {
  const provider = await findProvider(database, left.providerId, true);
  if (!provider) return undefined;
  let opened: { access: string; refresh: string | undefined };
  try {
    opened = {
      access: unseal(keyRing, left.id, left.accessToken),
      refresh: left.refreshToken === null ? undefined : unseal(keyRing, left.id, left.refreshToken),
    };
  } catch (error) {
    // What no key opens is opened by none later.
    return { reason: (error as Error).message, forGood: true };
  }
  try {
    // The refresh token first: by it others would be had. With it many a provider ends the access token too, and some take no other (RFC 7009 section 2.1).
    if (opened.refresh !== undefined && !(await revokeToken(keyRing, provider, opened.refresh, 'refresh_token'))) return undefined;
    await revokeToken(keyRing, provider, opened.access, 'access_token');
    return undefined;
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return error.code === 'unsupported_token_type' ? undefined : { reason: error.message, forGood: false };
  }
}
