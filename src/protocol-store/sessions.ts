import { isDeepStrictEqual } from 'node:util';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { digest } from '../platform/secrets.ts';
import { accountAsJson, accountHasFactor, placeAccount, placeHasFactor } from './accounts.ts';
import { type GrantRow, grantAsJson, placeGrant } from './grants.ts';
import { type Payload, type ProtocolStore, rest, seconds } from './store.ts';
import { namedClient, place, recall, remember, write } from './unit-of-work.ts';

/**
 * Owns browsers' sessions. The cookie's value is known to the browser alone; the `uid`, a handle that opens nothing,
 * is how tokens refer to the session they end with.
 */

export type SessionRow = { uid: string; account_id: string | null; expires_at: Date | string; payload: Record<string, unknown> };

type FoundRow = SessionRow & { grant: GrantRow | null; account: Record<string, unknown> | null; has_factor: boolean };

const COLUMNS = ['uid', 'accountId'];

// A session's end moves with every use; so small a move is not worth a write.
const UNWRITTEN_SECONDS = 5 * 60;

/** Columns of a live session, as one JSON value: for statements that read a session along with what ends with it. */
export const sessionAsJson = (uid: Statement): Statement =>
  Prisma.sql`(select to_jsonb(s) from (select uid, account_id, expires_at, payload from session where uid = ${uid} and expires_at > now()) s)`;

/** Keeps a session that was read along with something else; null when it is not there any more. */
export function placeSession(uid: string, row: SessionRow | null): void {
  place(byUid(uid), row ? toPayload(row) : undefined);
}

export function createSessionStore(database: Database): ProtocolStore {
  return {
    async upsert(id, payload, expiresInSeconds = 0) {
      const kept = rest(payload, COLUMNS);
      const known = await recall<Payload>(stored(id));
      // A session of nobody that says nothing yet: strangers can begin any number of those.
      if (!known && !payload.accountId && !Object.keys(withoutTime(kept)).length) return;
      if (
        known &&
        known.uid === payload.uid &&
        known.accountId === payload.accountId &&
        isDeepStrictEqual(withoutTime(kept), withoutTime(rest(known, COLUMNS)))
      ) {
        if (Math.abs(Number(payload.exp) - Number(known.exp)) < UNWRITTEN_SECONDS) return;
      }
      // A session that got a new id at sign-in is not brought back under the old one by a request that began before.
      await write(database, {
        purpose: 'keep',
        subject: byId(id),
        statement: Prisma.sql`
          insert into session (id, uid, account_id, expires_at, payload)
          select ${digest(id)}, ${payload.uid}, ${payload.accountId ?? null}, now() + ${expiresInSeconds} * interval '1 second', ${JSON.stringify(kept)}::jsonb
          where not exists (select from session where uid = ${payload.uid} and id <> ${digest(id)})
          on conflict (id) do update set account_id = excluded.account_id, expires_at = excluded.expires_at, payload = excluded.payload`,
      });
    },
    find: (id) =>
      remember(byId(id), async () => {
        // An authorization goes on to the grant of its client and to the account: they come along.
        const [row] = await database.query<FoundRow>(Prisma.sql`
          select uid, account_id, expires_at, payload,
            ${grantAsJson(Prisma.sql`s.payload->'authorizations'->${namedClient() ?? ''}::text->>'grantId'`)} as grant,
            ${accountAsJson(Prisma.sql`s.account_id`)} as account, ${accountHasFactor(Prisma.sql`s.account_id`)} as has_factor
          from session s where id = ${digest(id)} and expires_at > now()`);
        if (!row) return undefined;
        const payload = { ...toPayload(row), jti: id };
        const grantId = payload.authorizations?.[namedClient() ?? '']?.grantId;
        if (grantId) placeGrant(grantId, row.grant);
        if (row.account_id) {
          placeAccount(row.account_id, row.account);
          placeHasFactor(row.account_id, row.has_factor);
        }
        // The library works on the payload it is given; this one stays as it was.
        place(stored(id), structuredClone(payload));
        return payload;
      }),
    findByUid: (uid) =>
      remember(byUid(uid), async () => {
        const [row] = await database.query<SessionRow>(Prisma.sql`
          select uid, account_id, expires_at, payload from session where uid = ${uid} and expires_at > now()`);
        // Nobody who knows the handle learns the cookie's value: it is not here to be told.
        return row && toPayload(row);
      }),
    async destroy(id) {
      await write(database, { purpose: 'end', subject: byId(id), statement: Prisma.sql`delete from session where id = ${digest(id)}` });
    },
  };
}

const byId = (id: string) => `Session ${id}`;
const stored = (id: string) => `stored ${byId(id)}`;
const byUid = (uid: string) => `Session uid ${uid}`;

const withoutTime = ({ iat: _iat, ...kept }: Record<string, unknown>) => kept;

function toPayload(row: SessionRow): Payload {
  return {
    ...row.payload,
    kind: 'Session',
    uid: row.uid,
    exp: seconds(row.expires_at),
    ...(row.account_id === null ? undefined : { accountId: row.account_id }),
  };
}
