import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';
import { accountAsJson, placeAccount } from './accounts.ts';
import { type GrantRow, grantAsJson, isEndingSettled, placeGrant } from './grants.ts';
import { familyOf, type Lineage, lineageIn, newLineage, placeSource, recallSource, type Source } from './lineage.ts';
import { placeSession, type SessionRow, sessionAsJson } from './sessions.ts';
import { type Payload, type ProtocolStore, rest, seconds } from './store.ts';
import { remember, write } from './unit-of-work.ts';

/**
 * Owns authorization codes and tokens, issued under a grant or to a client itself.
 * The value of a token is its id. A row has only the digest, so no row can be used as a token.
 */

export type TokenKind = 'AccessToken' | 'RefreshToken' | 'ClientCredentials';

/** A row with the records that it depends on. */
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
 * Reads a row by its digest, with what decides its validity: its grant, its session and its account.
 * Sub-selects and not joins, so that each is an index look-up with any planner statistics.
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

/**
 * @returns a token of any kind, unless it is unknown or expired. Read once per request, because introspection asks for each kind in turn.
 */
export function findIssuedToken(database: Database, id: string): Promise<IssuedToken | undefined> {
  return remember(`Token ${id}`, () => findRow(database, withItsGround(Prisma.sql`token`, Prisma.sql`kind::text`, id)));
}

/** Tokens of one kind. The kinds share a table, and a store finds only its own kind. */
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
 * Extends a refresh token that was used and not rotated, so that it expires as long after its last use as a rotated one.
 * If the token ended meanwhile, the whole request fails. The row is locked: a revocation waits, and then ends what this request issued.
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
 * Selects the client of an issued token from the database, because a node may not know yet that the client is suspended.
 * The foreign key takes the same lock. suspendClient() waits for this lock, or this select waits and then checks again.
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
      // One statement decides among concurrent requests: it locks the row, and the second request finds it consumed.
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
