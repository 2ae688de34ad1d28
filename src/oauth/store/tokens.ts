import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';
import { accountAsJson, placeAccount } from './accounts.ts';
import { type GrantRow, grantAsJson, isEndingSettled, placeGrant } from './grants.ts';
import { familyOf, type Lineage, lineageIn, newLineage, placeSource, recallSource, type Source } from './lineage.ts';
import { placeSession, type SessionRow, sessionAsJson } from './sessions.ts';
import { type Payload, type ProtocolStore, rest, seconds } from './store.ts';
import { remember, write } from './unit-of-work.ts';

/**
 * Owns authorization codes and tokens: what is issued under a grant, or to a client alone.
 * The value of a token is its id; a row has the digest, so no row can be presented to anyone.
 */

export type TokenKind = 'AccessToken' | 'RefreshToken' | 'ClientCredentials';

/** A row with what it stands on. */
export type IssuedToken = {
  kind: string;
  client_id: string;
  account_id: string | null;
  grant_id: string | null;
  expires_at: Date;
  consumed_at: Date | null;
  consumed_seconds_ago: number | null;
  payload: Record<string, unknown>;
  grant: GrantRow | null;
  session: SessionRow | null;
  account: Record<string, unknown> | null;
};

const COLUMNS = ['clientId', 'accountId', 'grantId', 'consumed'];

/**
 * A row by its digest, with what decides whether it is worth anything: its grant, the session it ends with, its account.
 * Sub-selects and not joins, so that each is an index look-up whatever the planner believes of the tables.
 *
 *     Index Scan using token_pkey on token t
 *       SubPlan: Index Scan using grant_record_pkey, session_uid_key, user_account_pkey
 */
const withItsGround = (table: Statement, kind: Statement, id: string): Statement => Prisma.sql`
  select ${kind} as kind, client_id, account_id, grant_id, expires_at, consumed_at, payload,
    extract(epoch from now() - consumed_at)::float8 as consumed_seconds_ago,
    ${grantAsJson(Prisma.sql`t.grant_id`)} as grant,
    case when t.payload ? 'expiresWithSession' then ${sessionAsJson(Prisma.sql`t.payload->>'sessionUid'`)} end as session,
    ${accountAsJson(Prisma.sql`t.account_id`)} as account
  from ${table} t where id = ${digest(id)} and expires_at > now()`;

/** A token of whichever kind, unless it is unknown or has expired. Asked once a request: introspection asks for each kind in turn. */
export function findIssuedToken(database: Database, id: string): Promise<IssuedToken | undefined> {
  return remember(`Token ${id}`, () => findRow(database, withItsGround(Prisma.sql`token`, Prisma.sql`kind::text`, id)));
}

/** Tokens of one kind. The kinds share a table and never answer for one another. */
export function createTokenStore(database: Database, kind: TokenKind): ProtocolStore {
  return createIssuedStore(database, {
    kind,
    table: Prisma.sql`token`,
    ofKind: Prisma.sql`and kind = ${kind}::token_kind`,
    find: (id) => findIssuedToken(database, id),
    lineage: async () => (await recallSource())?.lineage,
    insert: (id, payload, json, expiresInSeconds) => Prisma.sql`
      insert into token (id, kind, client_id, account_id, grant_id, expires_at, payload)
      select ${digest(id)}, ${kind}::token_kind, id, ${payload.accountId ?? null}, ${payload.grantId ?? null},
        now() + ${expiresInSeconds} * interval '1 second', ${json}::jsonb
      from ${unsuspended(payload)}`,
  });
}

/**
 * Prolongs a refresh token that is used and not rotated, so that it expires as long after its last use as one that rotates.
 * If the token was ended meanwhile, the whole request fails. The row is locked: a revocation waits, and then ends what this request issued.
 */
export async function prolongRefreshToken(database: Database, id: string, expiresInSeconds: number): Promise<void> {
  await write(database, {
    purpose: 'consume',
    once: true,
    subject: `prolong RefreshToken ${id}`,
    statement: Prisma.sql`
      update token set expires_at = now() + ${expiresInSeconds} * interval '1 second'
      where id = ${digest(id)} and kind = 'RefreshToken' and consumed_at is null and expires_at > now()`,
  });
}

/** Authorization codes (RFC 6749 section 4.1.2). */
export function createCodeStore(database: Database): ProtocolStore {
  return createIssuedStore(database, {
    kind: 'AuthorizationCode',
    table: Prisma.sql`authorization_code`,
    ofKind: Prisma.empty,
    find: (id) =>
      remember(`AuthorizationCode ${id}`, () =>
        findRow(database, withItsGround(Prisma.sql`authorization_code`, Prisma.sql`'AuthorizationCode'`, id)),
      ),
    lineage: newLineage,
    insert: (id, payload, json, expiresInSeconds) => Prisma.sql`
      insert into authorization_code (id, client_id, account_id, grant_id, expires_at, payload)
      select ${digest(id)}, id, ${payload.accountId}, ${payload.grantId},
        now() + ${expiresInSeconds} * interval '1 second', ${json}::jsonb
      from ${unsuspended(payload)}`,
  });
}

/**
 * The client that something is issued to, as the database knows it at this moment: a node may not have heard yet that it was suspended.
 * The lock is the one that the foreign key takes anyway; suspendClient() waits for it, or makes this wait and look again.
 */
const unsuspended = ({ clientId }: Payload): Statement =>
  Prisma.sql`(select id from client where id = ${clientId} and suspended_at is null for key share) as client`;

type Particulars = {
  kind: TokenKind | 'AuthorizationCode';
  table: Statement;
  ofKind: Statement;
  find(id: string): Promise<IssuedToken | undefined>;
  /** The lineage of what is stored now: see lineage.ts. */
  lineage(): Promise<Lineage | undefined>;
  insert(id: string, payload: Payload, json: string, expiresInSeconds: number): Statement;
};

function createIssuedStore(database: Database, { kind, table, ofKind, find, lineage, insert }: Particulars): ProtocolStore {
  const subjectOf = (id: string) => `${kind} ${id}`;
  return {
    async upsert(id, payload, expiresInSeconds = 0) {
      const json = JSON.stringify({ ...rest(payload, COLUMNS), lineage: await lineage() });
      await write(database, {
        purpose: 'issue',
        once: true,
        subject: subjectOf(id),
        statement: insert(id, payload, json, expiresInSeconds),
      });
    },
    async find(id) {
      const row = await find(id);
      if (row?.kind !== kind) return undefined;
      if (kind === 'AuthorizationCode' || kind === 'RefreshToken') placeSource(sourceOf(kind, id, row));
      return toPayload(id, row);
    },
    async consume(id) {
      // One statement decides between any number of requests: the row is locked, and the second to come finds it consumed.
      await write(database, {
        purpose: 'consume',
        once: true,
        subject: `consume ${subjectOf(id)}`,
        statement: Prisma.sql`update ${table} set consumed_at = now() where id = ${digest(id)} ${ofKind} and consumed_at is null`,
      });
    },
    async destroy(id) {
      await write(database, {
        purpose: 'end',
        subject: subjectOf(id),
        statement: Prisma.sql`delete from ${table} where id = ${digest(id)} ${ofKind}`,
      });
    },
    async revokeByGrantId(grantId) {
      if (isEndingSettled(grantId)) return;
      await write(database, {
        purpose: 'end',
        subject: `${kind} of ${grantId}`,
        statement: Prisma.sql`delete from ${table} where grant_id = ${grantId} ${ofKind}`,
      });
    },
  };
}

async function findRow(database: Database, statement: Statement): Promise<IssuedToken | undefined> {
  const [row] = await database.query<IssuedToken>(statement);
  if (!row) return undefined;
  if (row.grant_id) placeGrant(row.grant_id, row.grant);
  if (row.account_id) placeAccount(row.account_id, row.account);
  if (row.payload['expiresWithSession']) placeSession(String(row.payload['sessionUid']), row.session);
  return row;
}

function sourceOf(
  kind: 'AuthorizationCode' | 'RefreshToken',
  id: string,
  { grant_id, payload, consumed_seconds_ago }: IssuedToken,
): Source {
  return {
    kind,
    id,
    grantId: grant_id ?? undefined,
    lineage: lineageIn(payload),
    family: familyOf(payload),
    usedSecondsAgo: consumed_seconds_ago ?? undefined,
    dpopJkt: payload['dpopJkt'] as string | undefined,
  };
}

function toPayload(id: string, row: IssuedToken): Payload {
  const { lineage: _, ...payload } = row.payload;
  return {
    ...payload,
    kind: row.kind,
    jti: id,
    exp: seconds(row.expires_at),
    clientId: row.client_id,
    ...(row.account_id === null ? undefined : { accountId: row.account_id }),
    ...(row.grant_id === null ? undefined : { grantId: row.grant_id }),
    ...(row.consumed_at === null ? undefined : { consumed: seconds(row.consumed_at) }),
  };
}
