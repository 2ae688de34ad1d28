import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import type { Source } from './lineage.ts';
import { type Payload, type ProtocolStore, rest, seconds } from './store.ts';
import { place, recall, remember, withdraw, write } from './unit-of-work.ts';

/**
 * Owns what people allowed clients, and the ending of it. Revocation has one door, here:
 * whoever ends something calls this file, and everything issued under it goes by cascade.
 */

const COLUMNS = ['clientId', 'accountId'];

/** Ends one grant and every code and token under it. @param grantId a grant's id, not a token. @see RFC 7009 section 2.1 */
export function revokeGrant(grantId: string): Statement {
  return Prisma.sql`delete from grant_record where id = ${grantId}`;
}

/** Ends everything a person allowed one client, on whatever device. */
export function revokeGrantsTo(clientId: string, accountId: string): Statement {
  return Prisma.sql`delete from grant_record where account_id = ${accountId} and client_id = ${clientId}`;
}

/** Ends everything a person allowed, and leaves them signed in. */
export function revokeGrantsOf(accountId: string): Statement {
  return Prisma.sql`delete from grant_record where account_id = ${accountId}`;
}

export type GivenBack = { kind: string; jti: string; grantId: string; sessionUid: string };

/**
 * Ends what a client got with one sign-in of a person, when it gives a token of it back: the codes and tokens that came of the same browser's
 * session. What the person allowed stays, and so does what the client got in other browsers. @see RFC 7009 section 2.1
 */
export async function endSignIn(database: Database, { kind, jti, grantId, sessionUid }: GivenBack): Promise<void> {
  settleEnding(grantId);
  // In the place of the ending of the token alone.
  await write(database, {
    purpose: 'end',
    subject: `${kind} ${jti}`,
    apart: true,
    statement: Prisma.sql`select end_sign_in(${grantId}, ${sessionUid})`,
  });
}

type SecondUse = Pick<Source, 'kind' | 'id' | 'grantId' | 'family'>;

/**
 * Ends all codes and tokens of one family, because its code or refresh token was used a second time. What the user allowed stays, and so do
 * the user's other sign-ins. It is committed although the answer is an error. @see RFC 6749 section 4.1.2, RFC 9700 section 4.14.2
 */
export async function endFamily(database: Database, { kind, id, grantId, family }: SecondUse): Promise<void> {
  // A device code that no user has answered has no grant, and nothing came of it.
  if (grantId === undefined) return;
  settleEnding(grantId);
  // The function deletes the presented token too: this write replaces the library's, which has the same subject.
  await write(database, {
    purpose: 'end',
    subject: `${kind} ${id}`,
    apart: true,
    statement: Prisma.sql`select end_family(${grantId}, ${family})`,
  });
}

/** Ends nothing for a second use, although the library asks for it: takes back the deletion of the presented token. */
export function spareFamily({ kind, id, grantId }: SecondUse): void {
  if (grantId !== undefined) settleEnding(grantId);
  withdraw(`${kind} ${id}`);
}

function settleEnding(grantId: string): void {
  place(ending(grantId), true);
}

/** Whether this request has settled already what ends under a grant. The library then asks in vain for all codes and tokens of it. */
export const isEndingSettled = (grantId: string): boolean => recall(ending(grantId)) !== undefined;

const ending = (grantId: string) => `ending under ${grantId}`;

/**
 * Ends everything a person allowed, every session of theirs, and every sign-in that is about to become one: for a disabled account, a changed password.
 * @param except the session, by its uid, in which they changed it.
 */
export function endAccount(accountId: string, except?: string): Statement {
  const others = except === undefined ? Prisma.empty : Prisma.sql`and uid <> ${except}`;
  return Prisma.sql`
    with sessions as (delete from session where account_id = ${accountId} ${others}),
    sign_ins as (delete from protocol_record where account_id = ${accountId})
    delete from grant_record where account_id = ${accountId}`;
}

// So few at a time that no statement runs into its time limit, whatever a client has hoarded.
const BATCH_ROWS = 5_000;

/**
 * Ends everything that people allowed a client and that was issued to it: for a client that is suspended. What it registered stays.
 * Call it once nothing more is issued to the client; called again, it takes up where it was stopped. @returns rows deleted.
 */
export async function endClient(database: Database, clientId: string): Promise<number> {
  let total = 0;
  // Tokens before their grants, as whoever redeems or refreshes takes them.
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
 * Ends a batch of grants that have expired, for prune.ts: half a batch of grants, and half a batch of what hangs on them. A refresh
 * token may outlast its grant, and one that is used every minute leaves twenty thousand rows. A grant on which something hangs still waits for the next batch, so that no cascade is long.
 * @param turn the part `turn`, whose `mine` says whether to delete at all. @param from when the first of them may have expired.
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

/** The grant that a person gave a client last, on whatever device. */
export async function newestGrant(database: Database, accountId: string, clientId: string): Promise<string | undefined> {
  const [row] = await database.query<{ id: string }>(Prisma.sql`
    select id from grant_record where account_id = ${accountId} and client_id = ${clientId} and expires_at > now()
    order by created_at desc limit 1`);
  return row?.id;
}

/** Who gave a live grant, and to whom. */
export async function findGrant(database: Database, grantId: string): Promise<{ client_id: string; account_id: string } | undefined> {
  if (!isStorable(grantId)) return undefined;
  const [row] = await database.query<{ client_id: string; account_id: string }>(Prisma.sql`
    select client_id, account_id from grant_record where id = ${grantId} and expires_at > now()`);
  return row;
}

/** How many grants a client has, told up to a number and never further: no page waits for a long count. */
export async function countGrants(database: Database, clientId: string, upTo: number): Promise<number> {
  const [row] = await database.query<{ count: number }>(Prisma.sql`
    select count(*)::int from (select from grant_record where client_id = ${clientId} limit ${upTo}) as counted`);
  return row?.count ?? 0;
}

/** How many people would lose something with a client. Counted to the end, for who decides about it and can wait. */
export async function countPeople(database: Database, clientId: string): Promise<number> {
  const [row] = await database.aside<{ count: number }>(Prisma.sql`
    select count(distinct account_id)::int from grant_record where client_id = ${clientId} and expires_at > now()`);
  return row?.count ?? 0;
}

export type GrantRow = { id: string; client_id: string; account_id: string; expires_at: Date | string; payload: Record<string, unknown> };

/** Columns of a live grant, as one JSON value: for statements that read a grant along with what stands under it. */
export const grantAsJson = (grantId: Statement): Statement =>
  Prisma.sql`(select to_jsonb(g) from (select id, client_id, account_id, expires_at, payload from grant_record where id = ${grantId} and expires_at > now()) g)`;

/** Keeps a grant that was read along with something else; null when it is not there any more. */
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
