import { type Database, Prisma } from '../platform/database.ts';
import type { KeyRing } from '../platform/secrets.ts';
import { type Held, replaceHeld, unseal } from './held-tokens.ts';
import type { UpstreamProvider } from './providers.ts';
import { refreshTokens, type UpstreamTokens } from './upstream.ts';
import { UpstreamError } from './upstream-error.ts';

/**
 * Owns the getting of new tokens for old ones, once: to a provider that rotates them, the second who uses a refresh token is a thief
 * (RFC 9700 section 4.14.2). Of any number of requests on any number of nodes one claims the row; no transaction waits for the provider.
 */

// Longer than the provider is waited for. Whoever dies meanwhile is replaced after it.
const CLAIM_SECONDS = 6;

// After a failure the provider is left alone for so long.
const REST_SECONDS = 1;

/** @returns `taken` when somebody else is at it, `failed` when the provider did not answer, or nothing that can be believed. */
export async function refreshOnce(
  database: Database,
  keyRing: KeyRing,
  provider: UpstreamProvider,
  held: Held & { refreshToken: string },
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
  await replaceHeld(database, keyRing, held, tokens);
  return 'refreshed';
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
