import type { StartingApp } from '../../oauth/app.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { DUE, keepSent } from '../../platform/outbox.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { unseal } from './held-tokens.ts';
import { findProvider } from './providers.ts';
import { revokeToken } from './upstream.ts';
import { UpstreamError } from './upstream-error.ts';

/**
 * Owns the revocation of upstream tokens after a link ends, however it ended. A trigger moves the tokens to upstream_revocation, and any
 * node revokes them at the provider (RFC 7009).
 * If the provider does not answer, the next try follows after ten seconds, with the wait doubling up to an hour, for one day.
 */

const CHANNEL = 'upstream_revocation';
const AT_ONCE = 4;

type Left = { id: string; providerId: string; accessToken: string; refreshToken: string | null; attempts: number; last: boolean };

type Revoking = Pick<StartingApp, 'database' | 'keyRing' | 'log'>;

/** Runs revocations until it is stopped. */
export function keepProvidersTold({ database, keyRing, log, everyMs }: Revoking & { everyMs?: number }): { stop(): Promise<void> } {
  return keepSent<Left>({
    database,
    log,
    channel: CHANNEL,
    atOnce: AT_ONCE,
    take: (room) => takeDue(database, room),
    send: (left) => revokeOne({ database, keyRing, log }, left),
    waits: 'upstream_revocations_wait',
    everyMs,
  });
}

/** Takes rows by moving their due time: if this node dies, they become due again. */
function takeDue(database: Database, room: number): Promise<Left[]> {
  return database.aside<Left>(Prisma.sql`
    update upstream_revocation set attempts = attempts + 1,
      due_at = now() + least(power(2, least(attempts, 20)) * interval '10 seconds', interval '1 hour')
    where id = any(array(
      select id from upstream_revocation where ${DUE} and expires_at > now() order by due_at limit ${room} for update skip locked))
    returning id, provider_id as "providerId", access_token as "accessToken", refresh_token as "refreshToken", attempts, due_at >= expires_at as last`);
}

async function revokeOne({ database, keyRing, log }: Revoking, left: Left): Promise<void> {
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

/**
 * @returns why the revocation failed; undefined when it succeeded or the provider has no revocation endpoint. @throws errors of the
 * database.
 */
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
    // A token that no key decrypts now will not be decrypted later.
    return { reason: (error as Error).message, forGood: true };
  }
  try {
    // Revoke the refresh token first, since it could issue new tokens. Many providers then end the access token too, and some accept no
    // other token (RFC 7009 section 2.1).
    if (opened.refresh !== undefined && !(await revokeToken(keyRing, provider, opened.refresh, 'refresh_token'))) return undefined;
    await revokeToken(keyRing, provider, opened.access, 'access_token');
    return undefined;
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return error.code === 'unsupported_token_type' ? undefined : { reason: error.message, forGood: false };
  }
}
