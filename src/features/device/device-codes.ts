import { deviceCodeHandle, deviceCodeKey, keyOfDeviceCode } from '../../oauth/store/device-code-handles.ts';
import { isEndingSettled } from '../../oauth/store/grants.ts';
import { familyOf, lineageIn, newLineage, placeSource } from '../../oauth/store/lineage.ts';
import { type Payload, type ProtocolStore, rest, seconds } from '../../oauth/store/store.ts';
import { write } from '../../oauth/store/unit-of-work.ts';
import { MINUTE } from '../../platform/clock.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { digest, keyedDigest } from '../../platform/secrets.ts';

/**
 * Owns device codes (RFC 8628 section 3.2). A row stores the digest of the code that the device holds. It stores a keyed digest of the user
 * code, because 34 bits without a key could be found by trial. A row reveals neither code.
 */

// The row outlives the code, so that a late device or user learns that the code has expired.
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

/** @param keys keys for the digests of user codes; the first one makes new digests. The others find codes from before a key rotation. */
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
      // Beginning to answer does not bind the user, who may go back or use two tabs. The first complete answer counts.
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
      // As for an authorization code, the same statement stores the tokens. A second request finds the code consumed.
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

/** Stores the user's first answer, yes or no, while the code is valid. @throws SingleUseLost at the end of the unit of work. */
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
    // The database's clock decides. An expired code gets a time so far in the past that every node's clock agrees.
    exp: row.live ? seconds(row.expires_at) - LINGER_SECONDS : 1,
    clientId: row.client_id,
    ...(row.account_id === null ? undefined : { accountId: row.account_id }),
    ...(row.grant_id === null ? undefined : { grantId: row.grant_id }),
    ...(row.consumed_at === null ? undefined : { consumed: seconds(row.consumed_at) }),
  };
}
