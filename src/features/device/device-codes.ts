import { deviceCodeHandle, deviceCodeKey, keyOfDeviceCode } from '../../oauth/store/device-code-handles.ts';
import { isEndingSettled } from '../../oauth/store/grants.ts';
import { familyOf, lineageIn, newLineage, placeSource } from '../../oauth/store/lineage.ts';
import { type Payload, type ProtocolStore, rest, seconds } from '../../oauth/store/store.ts';
import { write } from '../../oauth/store/unit-of-work.ts';
import { MINUTE } from '../../platform/clock.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { digest, keyedDigest } from '../../platform/secrets.ts';

/**
 * Owns device codes (RFC 8628 section 3.2). The device holds the code, of which a row has the digest; the person types the user code,
 * of which it has a keyed digest: 34 bits that anybody who reads a row could try through otherwise. Neither can be told from a row.
 */

// A device that asks late is told that its code has expired, and a person who types late too: the row stays for a while after its end.
const LINGER_SECONDS = 10 * MINUTE;

const COLUMNS = ['clientId', 'accountId', 'grantId', 'consumed', 'userCode', 'inFlight'];

type Row = {
  id: Uint8Array;
  client_id: string;
  account_id: string | null;
  grant_id: string | null;
  expires_at: Date;
  consumed_at: Date | null;
  consumed_seconds_ago: number | null;
  live: boolean;
  payload: Record<string, unknown>;
};

/** @param keys for the digests of user codes, the one that makes new ones first: codes of before a change of keys are found still. */
export function createDeviceCodeStore(database: Database, keys: () => string[]): ProtocolStore {
  const digests = (userCode: string) => keys().map((key) => digest(keyedDigest(key, userCode)));
  const select = Prisma.sql`
    select id, client_id, account_id, grant_id, expires_at, consumed_at, payload,
      extract(epoch from now() - consumed_at)::float8 as consumed_seconds_ago,
      expires_at > now() + ${LINGER_SECONDS} * interval '1 second' as live
    from protocol_record where kind = 'DeviceCode' and`;

  return {
    async upsert(id, payload, expiresInSeconds = 0) {
      if (payload.accountId || payload['error']) return answer(database, id, payload);
      // That somebody began to answer binds nobody: one who goes back, or has two tabs, may begin again, and the first answer counts.
      if (payload.inFlight) return;
      await write(database, {
        purpose: 'issue',
        subject: subjectOf(id),
        statement: Prisma.sql`
          insert into protocol_record (kind, id, client_id, user_code, expires_at, payload)
          values ('DeviceCode', ${keyOfDeviceCode(id)}, ${payload.clientId}, ${digests(String(payload.userCode))[0]},
            now() + ${expiresInSeconds + LINGER_SECONDS} * interval '1 second',
            ${JSON.stringify({ ...asObject(payload), lineage: await newLineage() })}::jsonb)`,
      });
    },
    async find(id) {
      const [row] = await database.query<Row>(Prisma.sql`${select} id = ${keyOfDeviceCode(id)} and expires_at > now()`);
      if (!row) return undefined;
      placeSource({
        kind: 'DeviceCode',
        id,
        grantId: row.grant_id ?? undefined,
        lineage: lineageIn(row.payload),
        family: familyOf(row.payload),
        usedSecondsAgo: row.consumed_seconds_ago ?? undefined,
        dpopJkt: undefined,
      });
      return { ...toPayload(row), jti: id };
    },
    async findByUserCode(userCode) {
      const [row] = await database.query<Row>(
        Prisma.sql`${select} user_code in (${Prisma.join(digests(userCode))}) and expires_at > now()`,
      );
      return row && { ...toPayload(row), jti: deviceCodeHandle(Buffer.from(row.id).toString('hex')), userCode };
    },
    async consume(id) {
      // Like an authorization code: in one statement with the tokens, and the second to come finds it consumed.
      await write(database, {
        purpose: 'consume',
        once: true,
        subject: `consume ${subjectOf(id)}`,
        statement: Prisma.sql`
          update protocol_record set consumed_at = now() where kind = 'DeviceCode' and id = ${keyOfDeviceCode(id)} and consumed_at is null`,
      });
    },
    async destroy(id) {
      await write(database, {
        purpose: 'end',
        subject: subjectOf(id),
        statement: Prisma.sql`delete from protocol_record where kind = 'DeviceCode' and id = ${keyOfDeviceCode(id)}`,
      });
    },
    async revokeByGrantId(grantId) {
      if (isEndingSettled(grantId)) return;
      await write(database, {
        purpose: 'end',
        subject: `DeviceCode of ${grantId}`,
        statement: Prisma.sql`delete from protocol_record where kind = 'DeviceCode' and grant_id = ${grantId}`,
      });
    },
  };
}

/** Keeps a person's answer, be it a no: the first one, while the code is alive. @throws SingleUseLost at the end of the unit of work. */
async function answer(database: Database, id: string, payload: Payload): Promise<void> {
  await write(database, {
    purpose: 'keep',
    once: true,
    subject: subjectOf(id),
    statement: Prisma.sql`
      update protocol_record set account_id = ${payload.accountId ?? null}, grant_id = ${payload.grantId ?? null},
        payload = ${JSON.stringify(asObject(payload))}::jsonb || jsonb_strip_nulls(jsonb_build_object('lineage', payload->'lineage'))
      where kind = 'DeviceCode' and id = ${keyOfDeviceCode(id)} and account_id is null and payload->>'error' is null
        and expires_at > now() + ${LINGER_SECONDS} * interval '1 second'`,
  });
}

const subjectOf = (id: string) => `DeviceCode ${deviceCodeKey(id)}`;

const asObject = (payload: Payload) => rest(payload, COLUMNS);

function toPayload(row: Row): Payload {
  const { lineage: _, ...payload } = row.payload;
  return {
    ...payload,
    kind: 'DeviceCode',
    // The database's clock has decided; what it calls expired is so long ago that no clock here can doubt it.
    exp: row.live ? seconds(row.expires_at) - LINGER_SECONDS : 1,
    clientId: row.client_id,
    ...(row.account_id === null ? undefined : { accountId: row.account_id }),
    ...(row.grant_id === null ? undefined : { grantId: row.grant_id }),
    ...(row.consumed_at === null ? undefined : { consumed: seconds(row.consumed_at) }),
  };
}
