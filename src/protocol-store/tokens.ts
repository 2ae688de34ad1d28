import { type Database, Prisma } from '../platform/database.ts';
import { digest } from '../platform/secrets.ts';
import { type Payload, type ProtocolStore, rest, seconds } from './store.ts';
import { SingleUseLost, write } from './unit-of-work.ts';

/**
 * Owns authorization codes and tokens: what is issued under a grant, or to a client alone.
 * The value of a token is its id; a row has the digest, so no row can be presented to anyone.
 */

export type TokenKind = 'AccessToken' | 'RefreshToken' | 'ClientCredentials';

type Row = {
  client_id: string;
  account_id: string | null;
  grant_id: string | null;
  expires_at: Date;
  consumed_at: Date | null;
  payload: Record<string, unknown>;
};

const COLUMNS = ['clientId', 'accountId', 'grantId', 'consumed'];

/** Tokens of one kind. The kinds share a table and never answer for one another. */
export function createTokenStore(database: Database, kind: TokenKind): ProtocolStore {
  return createIssuedStore(database, kind, {
    table: Prisma.sql`token`,
    ofKind: Prisma.sql`and kind = ${kind}::token_kind`,
    insert: (id, payload, expiresInSeconds) => Prisma.sql`
      insert into token (id, kind, client_id, account_id, grant_id, expires_at, payload)
      values (${digest(id)}, ${kind}::token_kind, ${payload.clientId}, ${payload.accountId ?? null}, ${payload.grantId ?? null},
        now() + ${expiresInSeconds} * interval '1 second', ${rest(payload, COLUMNS)}::jsonb)`,
  });
}

/** Authorization codes (RFC 6749 section 4.1.2). */
export function createCodeStore(database: Database): ProtocolStore {
  return createIssuedStore(database, 'AuthorizationCode', {
    table: Prisma.sql`authorization_code`,
    ofKind: Prisma.empty,
    insert: (id, payload, expiresInSeconds) => Prisma.sql`
      insert into authorization_code (id, client_id, account_id, grant_id, expires_at, payload)
      values (${digest(id)}, ${payload.clientId}, ${payload.accountId}, ${payload.grantId},
        now() + ${expiresInSeconds} * interval '1 second', ${rest(payload, COLUMNS)}::jsonb)`,
  });
}

type Statements = { table: Prisma.Sql; ofKind: Prisma.Sql; insert(id: string, payload: Payload, expiresInSeconds: number): Prisma.Sql };

function createIssuedStore(database: Database, kind: string, { table, ofKind, insert }: Statements): ProtocolStore {
  return {
    async upsert(id, payload, expiresInSeconds = 0) {
      await write(database, 'issue', async (sql) => {
        await sql.$executeRaw(insert(id, payload, expiresInSeconds));
      });
    },
    async find(id) {
      const [row] = await database.prisma.$queryRaw<Row[]>`
        select client_id, account_id, grant_id, expires_at, consumed_at, payload
        from ${table} where id = ${digest(id)} ${ofKind} and expires_at > now()`;
      return row && toPayload(kind, id, row);
    },
    async consume(id) {
      await write(database, 'consume', async (sql) => {
        // One statement decides between any number of requests: the row is locked, and the second to come finds it consumed.
        const consumed =
          await sql.$executeRaw`update ${table} set consumed_at = now() where id = ${digest(id)} ${ofKind} and consumed_at is null`;
        if (!consumed) throw new SingleUseLost(`${kind} already consumed`);
      });
    },
    async destroy(id) {
      await write(database, 'end', async (sql) => {
        await sql.$executeRaw`delete from ${table} where id = ${digest(id)} ${ofKind}`;
      });
    },
    async revokeByGrantId(grantId) {
      await write(database, 'end', async (sql) => {
        await sql.$executeRaw`delete from ${table} where grant_id = ${grantId} ${ofKind}`;
      });
    },
  };
}

function toPayload(kind: string, id: string, row: Row): Payload {
  return {
    ...row.payload,
    kind,
    jti: id,
    exp: seconds(row.expires_at),
    clientId: row.client_id,
    ...(row.account_id === null ? undefined : { accountId: row.account_id }),
    ...(row.grant_id === null ? undefined : { grantId: row.grant_id }),
    ...(row.consumed_at === null ? undefined : { consumed: seconds(row.consumed_at) }),
  };
}
