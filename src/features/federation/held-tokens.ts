import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { SealedColumn } from '../../platform/reseal.ts';
import { type KeyRing, timeOrderedId } from '../../platform/secrets.ts';
import type { UpstreamTokens } from './upstream.ts';

/** Owns the rows of what providers gave for people: how they are sealed, how read, and how one takes the place of another. */

/** A row, with what the database's clock says of it. Both tokens are sealed. */
export type Held = {
  id: string;
  providerId: string;
  identityId: string;
  grantId: string | null;
  scope: string;
  accessToken: string;
  refreshToken: string | null;
  /** Null when the provider did not say how long it lives. */
  expiresInSeconds: number | null;
  /** It lives long enough to be given away. */
  fresh: boolean;
  /** It may be alive still. */
  valid: boolean;
  /** Until when one request has it for refreshing, as text. */
  claim: string | null;
  claimed: boolean;
  ended: boolean;
};

/** The name of a row, which its tokens are sealed for: the same whenever others take their place. */
export const heldBy = (identityId: string, grantId: string | null): string => `${identityId} ${grantId ?? ''}`;

const sealedFor = (id: string) => `upstream token ${id}`;

// Whoever is refreshing a row knows it by its sealed token.
const unclaimed = Prisma.sql`(claimed_until is null or claimed_until <= now())`;

/** For a change of keys. */
export const SEALED_TOKENS: SealedColumn[] = ['access_token', 'refresh_token'].flatMap((column) => [
  { table: 'upstream_token', id: 'id', column, context: sealedFor, idle: unclaimed },
  { table: 'upstream_revocation', id: 'id', column, context: sealedFor },
]);

/** @param id a row's. @throws Error when no key of the ring opens it. */
export const unseal = (keyRing: KeyRing, id: string, token: string): string => keyRing.decrypt(token, sealedFor(id));

export function seal(keyRing: KeyRing, id: string, { accessToken, refreshToken }: UpstreamTokens) {
  return {
    access: keyRing.encrypt(accessToken, sealedFor(id)),
    refresh: refreshToken === undefined ? null : keyRing.encrypt(refreshToken, sealedFor(id)),
  };
}

// Whatever a provider says, it is a number of seconds that the database can add to a date.
const LONGEST_LIFE_SECONDS = 10 * 365 * 86_400;

/** When tokens that came now expire; null when the provider does not say. */
export function expiry({ expiresInSeconds }: UpstreamTokens): Statement {
  if (expiresInSeconds === undefined || !Number.isFinite(expiresInSeconds)) return Prisma.sql`null::timestamptz`;
  const seconds = Math.min(Math.max(Math.floor(expiresInSeconds), 0), LONGEST_LIFE_SECONDS);
  return Prisma.sql`now() + ${seconds} * interval '1 second'`;
}

// Given away with less than a minute to live, it would expire on its way; of one that lives for minutes, a quarter of its life. One of which
// the provider does not say how long it lives is taken to live for an hour, if another can be had for it.
const STALE_FROM = Prisma.sql`case
  when t.expires_at is not null then t.expires_at - least(interval '1 minute', (t.expires_at - t.refreshed_at) / 4)
  when t.refresh_token is not null then t.refreshed_at + interval '1 hour'
  else 'infinity' end`;

const COLUMNS = Prisma.sql`t.id, t.provider_id as "providerId", t.identity_id as "identityId", t.grant_id as "grantId", t.scope, t.access_token as "accessToken", t.refresh_token as "refreshToken",
  floor(extract(epoch from t.expires_at - now()))::float8 as "expiresInSeconds", now() < ${STALE_FROM} as fresh,
  (t.expires_at is null or t.expires_at > now()) as valid, t.claimed_until::text as claim,
  coalesce(t.claimed_until > now(), false) as claimed, t.ended_at is not null as ended`;

/**
 * What there is for one app: its own row first, then what sign-in brought.
 * @returns undefined when the person has no account of theirs at the provider.
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

/** @returns undefined for one that is gone. */
export async function readHeld(database: Database, id: string): Promise<Held | undefined> {
  const [row] = await database.query<Held>(Prisma.sql`select ${COLUMNS} from upstream_token t where t.id = ${id}`);
  return row;
}

/**
 * Puts what a refresh brought in the place of what it was brought with; where something newer is there, that stays. Where the person's link has
 * ended meanwhile, it is left for the provider to be told of, see revocations.ts.
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
  // A statement of its own: the one above has waited for whoever ended the link, and would see it still.
  await database.change(Prisma.sql`
    insert into upstream_revocation (id, provider_id, access_token, refresh_token, expires_at)
    select ${late}, ${held.providerId}, ${left.access}, ${left.refresh}, now() + interval '1 day'
    where not exists (select from upstream_identity where id = ${held.identityId})`);
}
