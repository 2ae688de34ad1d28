import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { SealedColumn } from '../../platform/sealed-column.ts';
import { type KeyRing, timeOrderedId } from '../../platform/secrets.ts';
import type { UpstreamTokens } from './upstream.ts';

/** Owns the stored upstream tokens: how they are sealed, read and replaced. */

/** A row, with its state by the database's clock. Both tokens are sealed. */
export type Held = {
  id: string;
  providerId: string;
  identityId: string;
  grantId: string | null;
  scope: string;
  accessToken: string;
  refreshToken: string | null;
  /** Null when the provider does not state a lifetime. */
  expiresInSeconds: number | null;
  /** The access token has enough lifetime left to hand to a client. */
  fresh: boolean;
  /** The access token has not expired as far as we know. */
  valid: boolean;
  /** Until when one request has claimed the row for a refresh, as text. */
  claim: string | null;
  claimed: boolean;
  ended: boolean;
};

/** @returns the id of a row, to which its tokens are sealed. It stays the same when the tokens are replaced. */
export const heldBy = (identityId: string, grantId: string | null): string => `${identityId} ${grantId ?? ''}`;

const sealedFor = (id: string) => `upstream token ${id}`;

// A request that refreshes a row compares the sealed token, so a key rotation must skip claimed rows.
const unclaimed = Prisma.sql`(claimed_until is null or claimed_until <= now())`;

/** For key rotation. */
export const SEALED_TOKENS: SealedColumn[] = ['access_token', 'refresh_token'].flatMap((column) => [
  { table: 'upstream_token', id: 'id', column, context: sealedFor, idle: unclaimed },
  { table: 'upstream_revocation', id: 'id', column, context: sealedFor },
]);

/** @param id the row's id. @throws Error when no key of the ring decrypts it. */
export const unseal = (keyRing: KeyRing, id: string, token: string): string => keyRing.decrypt(token, sealedFor(id));

export function seal(keyRing: KeyRing, id: string, { accessToken, refreshToken }: UpstreamTokens) {
  return {
    access: keyRing.encrypt(accessToken, sealedFor(id)),
    refresh: refreshToken === undefined ? null : keyRing.encrypt(refreshToken, sealedFor(id)),
  };
}

// Keep the provider's lifetime within what the database can add to a date.
const LONGEST_LIFE_SECONDS = 10 * 365 * 86_400;

/** @returns when tokens received now expire; null when the provider does not say. */
export function expiry({ expiresInSeconds }: UpstreamTokens): Statement {
  if (expiresInSeconds === undefined || !Number.isFinite(expiresInSeconds)) return Prisma.sql`null::timestamptz`;
  const seconds = Math.min(Math.max(Math.floor(expiresInSeconds), 0), LONGEST_LIFE_SECONDS);
  return Prisma.sql`now() + ${seconds} * interval '1 second'`;
}

// A token with less than a minute left could expire on its way to the client. For short lifetimes the margin is a quarter of the life.
// Without a stated lifetime, a refreshable token counts as fresh for an hour.
const STALE_FROM = Prisma.sql`case
  when t.expires_at is not null then t.expires_at - least(interval '1 minute', (t.expires_at - t.refreshed_at) / 4)
  when t.refresh_token is not null then t.refreshed_at + interval '1 hour'
  else 'infinity' end`;

const COLUMNS = Prisma.sql`t.id, t.provider_id as "providerId", t.identity_id as "identityId", t.grant_id as "grantId", t.scope, t.access_token as "accessToken", t.refresh_token as "refreshToken",
  floor(extract(epoch from t.expires_at - now()))::float8 as "expiresInSeconds", now() < ${STALE_FROM} as fresh,
  (t.expires_at is null or t.expires_at > now()) as valid, t.claimed_until::text as claim,
  coalesce(t.claimed_until > now(), false) as claimed, t.ended_at is not null as ended`;

/**
 * @returns the rows that one client may use: its own row first, then the one of the sign-in. Undefined when the user has no link to the
 * provider.
 */
export async function listHeld(
  database: Database,
  { accountId, providerId, grantId }: { accountId: string; providerId: string; grantId: string },
): Promise<Held[] | undefined> {
  const rows = await database.query<Held & { id: string | null }>(Prisma.sql`
    select ${COLUMNS}
    from upstream_identity i left join upstream_token t on t.identity_id = i.id and (t.grant_id = ${grantId} or t.grant_id is null)
    where i.account_id = ${accountId} and i.provider_id = ${providerId}
    order by t.grant_id nulls last`);
  return rows.length ? rows.filter(({ id }) => id !== null) : undefined;
}

/** @returns undefined for a deleted row. */
export async function readHeld(database: Database, id: string): Promise<Held | undefined> {
  const [row] = await database.query<Held>(Prisma.sql`select ${COLUMNS} from upstream_token t where t.id = ${id}`);
  return row;
}

/**
 * Replaces the stored upstream tokens with the refreshed ones, unless newer ones are stored. If the link was deleted in the meantime, the
 * new tokens are queued for revocation: see revocations.ts.
 */
export async function replaceHeld(database: Database, keyRing: KeyRing, held: Held, tokens: UpstreamTokens): Promise<void> {
  const { access, refresh } = seal(keyRing, held.id, tokens);
  const kept = await database.change(Prisma.sql`
    update upstream_token set scope = ${tokens.scope}, access_token = ${access}, refresh_token = ${refresh}, expires_at = ${expiry(tokens)},
      refreshed_at = now(), claimed_until = null
    where id = ${held.id} and access_token = ${held.accessToken} returning 1`);
  if (kept.length) return;
  const late = `${held.id} ${timeOrderedId()}`;
  const left = seal(keyRing, late, tokens);
  // A separate statement: the first one may have waited for the deletion of the link, and its snapshot would still show the link.
  await database.change(Prisma.sql`
    insert into upstream_revocation (id, provider_id, access_token, refresh_token, expires_at)
    select ${late}, ${held.providerId}, ${left.access}, ${left.refresh}, now() + interval '1 day'
    where not exists (select from upstream_identity where id = ${held.identityId})`);
}
