import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import type { Source } from './lineage.ts';
import { type Payload, type ProtocolStore, rest, seconds } from './store.ts';
import { place, recall, remember, withdraw, write } from './unit-of-work.ts';

/**
 * Owns users' grants to clients and their end. Revocation has one door, here: every caller that ends a grant uses this file,
 * and the database deletes by cascade everything issued under it.
 */

const COLUMNS = ['clientId', 'accountId'];

/** Ends one grant and every code and token under it. @param grantId a grant's id, not a token. @see RFC 7009 section 2.1 */
export function revokeGrant(grantId: string): Statement {
  return Prisma.sql`delete from grant_record where id = ${grantId}`;
}

/** Ends all grants of a user to one client, on all devices. */
export function revokeGrantsTo(clientId: string, accountId: string): Statement {
  return Prisma.sql`delete from grant_record where account_id = ${accountId} and client_id = ${clientId}`;
}

/** Ends all grants of a user, who stays signed in. */
export function revokeGrantsOf(accountId: string): Statement {
  return Prisma.sql`delete from grant_record where account_id = ${accountId}`;
}

export type GivenBack = { kind: string; jti: string; grantId: string; sessionUid: string };

/**
 * Ends what a client got with one sign-in of a user: the codes and tokens of that session. Used when the client revokes one of its tokens.
 * The user's consent remains, and so do the client's tokens from other browsers. @see RFC 7009 section 2.1
 */
export async function endSignIn(database: Database, { kind, jti, grantId, sessionUid }: GivenBack): Promise<void> {
  settleEnding(grantId);
  // Replaces the library's write, which would end only this token.
  await write(database, {
    purpose: 'end',
    subject: `${kind} ${jti}`,
    apart: true,
    statement: Prisma.sql`select end_sign_in(${grantId}, ${sessionUid})`,
  });
}

type SecondUse = Pick<Source, 'kind' | 'id' | 'grantId' | 'family'>;

/**
 * Ends all codes and tokens of one family, because its code or refresh token was used a second time. The user's consent and
 * other sign-ins remain. The write is committed although the response is an error. @see RFC 6749 section 4.1.2, RFC 9700 section 4.14.2
 */
export async function endFamily(database: Database, { kind, id, grantId, family }: SecondUse): Promise<void> {
  // A device code without a user's decision has no grant and no tokens.
  if (grantId === undefined) return;
  settleEnding(grantId);
  // The function deletes the presented token too. This write replaces the library's, which has the same subject.
  await write(database, {
    purpose: 'end',
    subject: `${kind} ${id}`,
    apart: true,
    statement: Prisma.sql`select end_family(${grantId}, ${family})`,
  });
}

/** Ends nothing for a second use, although the library asks for it: withdraws the deletion of the presented token. */
export function spareFamily({ kind, id, grantId }: SecondUse): void {
  if (grantId !== undefined) settleEnding(grantId);
  withdraw(`${kind} ${id}`);
}

function settleEnding(grantId: string): void {
  place(ending(grantId), true);
}

/**
 * Whether this request has already decided what ends under a grant. The library's later request to delete all its codes and tokens is then
 * ignored.
 */
export const isEndingSettled = (grantId: string): boolean => recall(ending(grantId)) !== undefined;

const ending = (grantId: string) => `ending under ${grantId}`;

/**
 * Ends all grants and sessions of a user, and every sign-in in progress: for a disabled account or a changed password.
 * @param except the `uid` of the session in which the user made the change.
 */
export function endAccount(accountId: string, except?: string): Statement {
  const others = except === undefined ? Prisma.empty : Prisma.sql`and uid <> ${except}`;
  return Prisma.sql`
    with sessions as (delete from session where account_id = ${accountId} ${others}),
    sign_ins as (delete from protocol_record where account_id = ${accountId})
    delete from grant_record where account_id = ${accountId}`;
}

// Small batches keep each statement below its time limit, however many tokens a client has.
const BATCH_ROWS = 5_000;

/**
 * Ends all grants and tokens of a client that is suspended. Its registration stays.
 * Call it when nothing more is issued to the client. A second call continues where the first stopped. @returns rows deleted.
 */
export async function endClient(database: Database, clientId: string): Promise<number> {
  let total = 0;
  // Tokens before their grants: redemption and refresh lock them in this order.
  for (const table of ['token', 'authorization_code', 'grant_record'].map((name) => Prisma.raw(name))) {
    let deleted: unknown[];
    do {
      deleted = await database.aside(Prisma.sql`
        delete from ${table} where id in (select id from ${table} where client_id = ${clientId} limit ${BATCH_ROWS}) returning 1`);
      total += deleted.length;
    } while (deleted.length === BATCH_ROWS);
  }
  return total;
}

/**
 * Ends a batch of expired grants, for prune.ts: up to half a batch of grants, and half a batch of codes and tokens under them.
 * A refresh token may outlast its grant, and one used every minute leaves twenty thousand rows.
 * A grant that still has rows under it waits for the next batch, so that no cascade is long.
 * @param turn the part `turn`, whose `mine` says whether to delete at all.
 * @param from the earliest expiry of the batch.
 */
export function endExpiredGrants(turn: Statement, from: Date, batchRows: number): Statement {
  const half = batchRows / 2;
  return Prisma.sql`
    with ${turn},
    expired as materialized (
      select ctid, id, expires_at from grant_record
      where (select mine from turn) and expires_at >= ${from} and expires_at <= now()
      order by expires_at limit ${half} for update skip locked),
    loaded as materialized (
      select id, expires_at from expired e
      where exists (select from token where grant_id = e.id) or exists (select from authorization_code where grant_id = e.id)),
    tokens as materialized (
      select t.ctid from loaded, lateral (select ctid from token where grant_id = loaded.id limit ${half} for update skip locked) t limit ${half}),
    codes as materialized (
      select c.ctid from loaded, lateral (select ctid from authorization_code where grant_id = loaded.id limit ${half} for update skip locked) c
      limit greatest(0, ${half} - (select count(*) from tokens))),
    gone as (
      delete from grant_record where ctid = any(array(select ctid from expired where id not in (select id from loaded))) returning 1),
    gone_tokens as (delete from token where ctid = any(array(select ctid from tokens)) returning 1),
    gone_codes as (delete from authorization_code where ctid = any(array(select ctid from codes)) returning 1)
    select (select mine from turn) as mine,
      ((select count(*) from gone) + (select count(*) from gone_tokens) + (select count(*) from gone_codes))::int as rows,
      coalesce((select min(expires_at) from loaded), (select max(expires_at) from expired)) as reached`;
}

type Newest = { live: string | null; last: string | null };

/** Reads a user's newest grants to a client, from any device, once per request: the live one, and the last one, expired or not. */
function newestGrants(database: Database, accountId: string, clientId: string): Promise<Newest> {
  return remember(`newest grants ${accountId} ${clientId}`, async () => {
    const of = Prisma.sql`select id from grant_record where account_id = ${accountId} and client_id = ${clientId}`;
    const [row] = await database.query<Newest>(Prisma.sql`
      select (${of} and expires_at > now() order by created_at desc limit 1) as live, (${of} order by created_at desc limit 1) as last`);
    return row as Newest;
  });
}

/** @returns the latest live grant of a user to a client, from any device. */
export async function newestGrant(database: Database, accountId: string, clientId: string): Promise<string | undefined> {
  return (await newestGrants(database, accountId, clientId)).live ?? undefined;
}

/** @returns the user's last grant to a client, expired or not. */
export async function lastGrant(database: Database, accountId: string, clientId: string): Promise<string | undefined> {
  return (await newestGrants(database, accountId, clientId)).last ?? undefined;
}

/** @returns the client and the user of a live grant. */
export async function findGrant(database: Database, grantId: string): Promise<{ client_id: string; account_id: string } | undefined> {
  if (!isStorable(grantId)) return undefined;
  const [row] = await database.query<{ client_id: string; account_id: string }>(Prisma.sql`
    select client_id, account_id from grant_record where id = ${grantId} and expires_at > now()`);
  return row;
}

/** @returns the number of a client's grants, counted up to `upTo`, so that no page waits for a long count. */
export async function countGrants(database: Database, clientId: string, upTo: number): Promise<number> {
  const [row] = await database.query<{ count: number }>(Prisma.sql`
    select count(*)::int from (select from grant_record where client_id = ${clientId} limit ${upTo}) as counted`);
  return row?.count ?? 0;
}

/** @returns how many users have a live grant to a client. Counts all of them, so only callers that can wait use it. */
export async function countPeople(database: Database, clientId: string): Promise<number> {
  const [row] = await database.aside<{ count: number }>(Prisma.sql`
    select count(distinct account_id)::int from grant_record where client_id = ${clientId} and expires_at > now()`);
  return row?.count ?? 0;
}

export type GrantRow = { id: string; client_id: string; account_id: string; expires_at: Date | string; payload: Record<string, unknown> };

/** Columns of a live grant as one JSON value, for statements that read a grant with other rows. */
export const grantAsJson = (grantId: Statement): Statement =>
  Prisma.sql`(select to_jsonb(g) from (select id, client_id, account_id, expires_at, payload from grant_record where id = ${grantId} and expires_at > now()) g)`;

/** Stores in the request's memory a grant that another statement has read; null when it no longer exists. */
export function placeGrant(grantId: string, row: GrantRow | null): void {
  place(subjectOf(grantId), row ? toPayload(row) : undefined);
}

export function createGrantStore(database: Database): ProtocolStore {
  return {
    async upsert(id, payload, expiresInSeconds = 0) {
      const json = JSON.stringify(rest(payload, COLUMNS));
      await write(database, {
        purpose: 'keep',
        subject: subjectOf(id),
        statement: Prisma.sql`
          insert into grant_record (id, client_id, account_id, expires_at, payload)
          values (${id}, ${payload.clientId}, ${payload.accountId}, now() + ${expiresInSeconds} * interval '1 second', ${json}::jsonb)
          on conflict (id) do update set expires_at = excluded.expires_at, payload = excluded.payload`,
      });
    },
    find: (id) =>
      remember(subjectOf(id), async () => {
        const [row] = await database.query<GrantRow>(Prisma.sql`
          select id, client_id, account_id, expires_at, payload from grant_record where id = ${id} and expires_at > now()`);
        return row && toPayload(row);
      }),
    async destroy(id) {
      await write(database, { purpose: 'end', subject: subjectOf(id), statement: revokeGrant(id) });
    },
  };
}

const subjectOf = (id: string) => `Grant ${id}`;

function toPayload(row: GrantRow): Payload {
  return { ...row.payload, kind: 'Grant', jti: row.id, exp: seconds(row.expires_at), clientId: row.client_id, accountId: row.account_id };
}
