import { isDeepStrictEqual } from 'node:util';
import type { Visitor } from '../../http/visitor.ts';
import { DAY } from '../../platform/clock.ts';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';
import { accountAsJson, accountHasFactor, placeAccount, placeHasFactor } from './accounts.ts';
import { type GrantRow, grantAsJson, placeGrant } from './grants.ts';
import { type Payload, type ProtocolStore, rest, seconds } from './store.ts';
import { namedClient, place, recall, remember, write } from './unit-of-work.ts';

/**
 * Owns browsers' sessions. Only the browser knows the cookie's value. Tokens refer to their session by its `uid`, which gives no access.
 */

export type SessionRow = { uid: string; account_id: string | null; expires_at: Date | string; payload: Record<string, unknown> };

type FoundRow = SessionRow & { grant: GrantRow | null; account: Record<string, unknown> | null; has_factor: boolean };

const COLUMNS = ['uid', 'accountId'];

// However much it is used, a session ends this long after its user signed in (OWASP ASVS 7.3.2). ttl.Session of the library bounds each
// extension.
const LONGEST_SECONDS = 90 * DAY;

// Every use moves a session's expiry. A smaller move is not written.
const UNWRITTEN_SECONDS = 5 * 60;

/** Columns of a live session as one JSON value, for statements that read a session with other rows. */
export const sessionAsJson = (uid: Statement): Statement =>
  Prisma.sql`(select to_jsonb(s) from (select uid, account_id, expires_at, payload from session where uid = ${uid} and expires_at > now()) s)`;

/** Stores in the request's memory a session that another statement has read; null when it no longer exists. */
export function placeSession(uid: string, row: SessionRow | null): void {
  place(byUid(uid), row ? toPayload(row) : undefined);
}

const VISITOR = 'Visitor';

/** Gives sessions that this request writes the visitor they came from. @param read called when a session is written. */
export function placeVisitor(read: () => Visitor): void {
  place(VISITOR, read);
}

export function createSessionStore(database: Database): ProtocolStore {
  return {
    async upsert(id, payload, expiresInSeconds = 0) {
      const kept = rest(payload, COLUMNS);
      const known = await recall<Payload>(stored(id));
      // An empty session without a user is not stored: anyone could create any number of them.
      if (!known && !payload.accountId && !Object.keys(withoutTime(kept)).length) return;
      if (
        known &&
        known.uid === payload.uid &&
        known.accountId === payload.accountId &&
        isDeepStrictEqual(withoutTime(kept), withoutTime(rest(known, COLUMNS)))
      ) {
        if (Math.abs(Number(payload.exp) - Number(known.exp)) < UNWRITTEN_SECONDS) return;
      }
      const visitor = (await recall<() => Visitor>(VISITOR))?.();
      const row = { id: digest(id), payload, expiresInSeconds, json: JSON.stringify(kept), visitor };
      const former = known ? undefined : await recall<string>(formerId(payload.uid));
      if (former) await write(database, { purpose: 'keep', subject: byId(former), statement: renewed(row, digest(former)) });
      else await write(database, { purpose: 'keep', subject: byId(id), statement: known ? updated(row) : inserted(row) });
    },
    find: (id) =>
      remember(byId(id), async () => {
        // An authorization also needs the grant of its client and the account, so this statement reads them too.
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
        // The library changes the payload that it gets. This copy stays unchanged.
        place(stored(id), structuredClone(payload));
        return payload;
      }),
    findByUid: (uid) =>
      remember(byUid(uid), async () => {
        const [row] = await database.query<SessionRow>(Prisma.sql`
          select uid, account_id, expires_at, payload from session where uid = ${uid} and expires_at > now()`);
        // The handle does not lead to the cookie's value, because the row does not contain it.
        return row && toPayload(row);
      }),
    async destroy(id) {
      const known = await recall<Payload>(stored(id));
      if (known) place(formerId(known.uid), id);
      // Deletes by `uid` where it is known. If another request gives the session a new id at the same time, the session still ends.
      const which = known ? Prisma.sql`uid = ${known.uid}` : Prisma.sql`id = ${digest(id)}`;
      await write(database, { purpose: 'end', subject: byId(id), statement: Prisma.sql`delete from session where ${which}` });
    },
  };
}

type Kept = { id: Uint8Array<ArrayBuffer>; payload: Payload; expiresInSeconds: number; json: string; visitor: Visitor | undefined };

/**
 * A session gets a new id at sign-in. A request that began before must not bring it back under the old id.
 * `created_at` is the time of sign-in, because the id changes more often.
 */
function inserted({ id, payload, expiresInSeconds, json, visitor }: Kept): Statement {
  const begun = begunAt(payload);
  return Prisma.sql`
    insert into session (id, uid, account_id, created_at, expires_at, payload, browser, address)
    select ${id}, ${payload.uid}, ${payload.accountId ?? null}, ${begun},
      least(now() + ${expiresInSeconds} * interval '1 second', ${begun} + ${LONGEST_SECONDS} * interval '1 second'),
      ${json}::jsonb, ${visitor?.browser ?? null}, ${visitor?.address ?? null}
    where not exists (select from session where uid = ${payload.uid} and id <> ${id})
    on conflict (id) do update set
      account_id = excluded.account_id, expires_at = excluded.expires_at, payload = excluded.payload, used_at = now(),
      browser = excluded.browser, address = excluded.address`;
}

/** An update cannot bring back a session that was ended during this request. */
function updated({ id, payload, expiresInSeconds, json, visitor }: Kept): Statement {
  return Prisma.sql`
    update session set account_id = ${payload.accountId ?? null}, payload = ${json}::jsonb, used_at = now(),
      expires_at = least(now() + ${expiresInSeconds} * interval '1 second', created_at + ${LONGEST_SECONDS} * interval '1 second'),
      browser = ${visitor?.browser ?? null}, address = ${visitor?.address ?? null}
    where id = ${id}`;
}

/**
 * The library gives a session a new id after sign-in and consent: it destroys the session and saves it again. Here this is an update of
 * the same row, because a user may end the session meanwhile. If the delete comes first, the update finds no row.
 * If the update comes first, the delete waits for the row and finds it by its `uid`. An insert would bring back the session and its tokens.
 */
function renewed({ id, payload, expiresInSeconds, json, visitor }: Kept, formerDigest: Uint8Array<ArrayBuffer>): Statement {
  const begun = begunAt(payload);
  return Prisma.sql`
    update session set id = ${id}, account_id = ${payload.accountId ?? null}, payload = ${json}::jsonb, created_at = ${begun}, used_at = now(),
      expires_at = least(now() + ${expiresInSeconds} * interval '1 second', ${begun} + ${LONGEST_SECONDS} * interval '1 second'),
      browser = ${visitor?.browser ?? null}, address = ${visitor?.address ?? null}
    where id = ${formerDigest}`;
}

/** The time when the user of a session signed in; now for a session without a user. */
const begunAt = ({ loginTs }: Payload): Statement =>
  Prisma.sql`coalesce(least(now(), to_timestamp(${Number(loginTs) || null}::float8)), now())`;

const byId = (id: string) => `Session ${id}`;
const stored = (id: string) => `stored ${byId(id)}`;
/** The id under which this request destroyed a session that it may save again under a new id. */
const formerId = (uid: string | undefined) => `former id of Session uid ${uid}`;
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
