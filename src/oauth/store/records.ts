import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';
import { deviceCodeHandle, deviceCodeKey } from './device-code-handles.ts';
import { type Payload, type ProtocolStore, rest, seconds } from './store.ts';
import { place, recall, SingleUseLost, write } from './unit-of-work.ts';

/**
 * Owns the other short-lived records of the library. Kinds share a table but not a namespace: an id of one kind is never found as another.
 */

export type RecordKind = 'Interaction' | 'PushedAuthorizationRequest' | 'RegistrationAccessToken';

type Row = { client_id: string | null; expires_at: Date | null; consumed_at: Date | null; payload: Record<string, unknown> };

const COLUMNS = ['clientId', 'consumed'];

// The library destroys a registration access token when it finds no client. A suspended client may be restored and then needs its token.
const OF_NO_SUSPENDED_CLIENT = Prisma.sql`and not exists (select from client c where c.id = client_id and c.suspended_at is not null)`;

export function createRecordStore(database: Database, kind: RecordKind): ProtocolStore {
  return {
    async upsert(id, payload, expiresInSeconds) {
      const json = JSON.stringify(rest(withoutCredentials(id, payload), COLUMNS));
      const expiresAt = Prisma.sql`now() + ${expiresInSeconds ?? null} * interval '1 second'`;
      // An interaction that another request ended meanwhile stays ended: a second answer must not restore it.
      const found = kind === 'Interaction' && (await recall<boolean>(foundBefore(id)));
      if (found)
        return write(database, {
          purpose: 'keep',
          once: true,
          subject: `${kind} ${id}`,
          statement: Prisma.sql`
            update protocol_record set account_id = ${whoSignedIn(payload)}, expires_at = ${expiresAt}, payload = ${json}::jsonb
            where kind = 'Interaction' and id = ${digest(id)}`,
        });
      await write(database, {
        purpose: 'keep',
        subject: `${kind} ${id}`,
        statement: Prisma.sql`
          insert into protocol_record (kind, id, client_id, account_id, expires_at, payload)
          values (${kind}::record_kind, ${digest(id)}, ${payload.clientId ?? null}, ${whoSignedIn(payload)}, ${expiresAt}, ${json}::jsonb)
          on conflict (kind, id) do update set account_id = excluded.account_id, expires_at = excluded.expires_at, payload = excluded.payload`,
      });
    },
    async find(id) {
      const [row] = await database.query<Row>(Prisma.sql`
        select client_id, expires_at, consumed_at, payload from protocol_record
        where kind = ${kind}::record_kind and id = ${digest(id)} and (expires_at is null or expires_at > now()) ${kind === 'RegistrationAccessToken' ? OF_NO_SUSPENDED_CLIENT : Prisma.empty}`);
      if (row) place(foundBefore(id), true);
      return row && toPayload(kind, id, row);
    },
    // Writes at once and not at the end of the request, because the library asks before it issues. A later failure only costs a pushed
    // request.
    async consume(id) {
      const [consumed] = await database.change(Prisma.sql`
        update protocol_record set consumed_at = now()
        where kind = ${kind}::record_kind and id = ${digest(id)} and consumed_at is null returning 1`);
      if (!consumed) throw new SingleUseLost(`${kind} already consumed`);
    },
    async destroy(id) {
      await write(database, {
        purpose: 'end',
        subject: `${kind} ${id}`,
        statement: Prisma.sql`delete from protocol_record where kind = ${kind}::record_kind and id = ${digest(id)}`,
        // The request that uses an interaction's result ends it. A request that finds it ended is the second one and issues nothing.
        once: kind === 'Interaction',
        alone: true,
      });
    },
  };
}

/**
 * Records a one-time identifier (the `jti` of an assertion or a DPoP proof). One insert both asks and records, so only one of
 * many requests gets true. An expired row may be overwritten: its identifier can no longer be replayed.
 * @param validSince when it could first be used, in seconds since 1970, for identifiers that may be older than a restored backup.
 * @returns whether this was the first use. Also false for an identifier from before the restore, because its row may be lost.
 */
export async function rememberOnce(database: Database, id: string, expiresInSeconds: number, validSince?: number): Promise<boolean> {
  const inserted = await database.change(Prisma.sql`${rememberedOnce(id, expiresInSeconds, validSince)} returning 1`);
  return inserted.length > 0;
}

/** The same as a part of writes that are made together: it changes a row only at the first use. */
export function rememberedOnce(id: string, expiresInSeconds: number, validSince?: number): Statement {
  return Prisma.sql`
    insert into protocol_record (kind, id, expires_at, payload)
    select 'ReplayDetection', ${digest(id)}::bytea, now() + ${expiresInSeconds} * interval '1 second', '{}'::jsonb
    ${validSince === undefined ? Prisma.empty : Prisma.sql`where not exists (${restoredAfter(validSince)})`}
    on conflict (kind, id) do update set expires_at = excluded.expires_at where protocol_record.expires_at <= now()`;
}

// One row represents all rows that a restored database has lost.
const RESTORED = digest('restored');

const restoredAfter = (validSince: number) => Prisma.sql`
  select from protocol_record
  where kind = 'ReplayDetection' and id = ${RESTORED} and expires_at > now() and (payload->>'restoredAt')::float8 > ${validSince}`;

/** Refuses identifiers from before now. Two hours exceed the lifetime of any assertion or proof. */
export function markRestored(): Statement {
  return Prisma.sql`
    insert into protocol_record (kind, id, expires_at, payload)
    values ('ReplayDetection', ${RESTORED}, now() + interval '2 hours', jsonb_build_object('restoredAt', floor(extract(epoch from now()))))
    on conflict (kind, id) do update set expires_at = excluded.expires_at, payload = excluded.payload`;
}

/** @returns the account of a sign-in in progress. What ends for an account then ends this sign-in too. */
function whoSignedIn({ result }: Payload): string | null {
  return (result as { login?: { accountId?: string } } | undefined)?.login?.accountId ?? null;
}

const foundBefore = (id: string) => `Interaction ${id} was found`;

const OWN_ID = ':uid';

/**
 * An interaction contains three credentials. The session cookie is dropped, because nothing reads it. Its own id in the address to resume
 * at
 * is replaced, and put back on `find`. The code of its device, if any, is replaced by a handle.
 */
function withoutCredentials(id: string, payload: Payload): Payload {
  const { session, returnTo, deviceCode } = payload;
  return {
    ...payload,
    ...(session ? { session: { ...session, cookie: undefined } } : undefined),
    ...(returnTo ? { returnTo: returnTo.replace(id, OWN_ID) } : undefined),
    ...(deviceCode ? { deviceCode: deviceCodeKey(String(deviceCode)) } : undefined),
  } as Payload;
}

function toPayload(kind: RecordKind, id: string, row: Row): Payload {
  const { returnTo, deviceCode } = row.payload as { returnTo?: string; deviceCode?: string };
  return {
    ...row.payload,
    kind,
    jti: id,
    ...(returnTo ? { returnTo: returnTo.replace(OWN_ID, id) } : undefined),
    ...(deviceCode ? { deviceCode: deviceCodeHandle(deviceCode) } : undefined),
    ...(row.expires_at === null ? undefined : { exp: seconds(row.expires_at) }),
    ...(row.client_id === null ? undefined : { clientId: row.client_id }),
    ...(row.consumed_at === null ? undefined : { consumed: seconds(row.consumed_at) }),
  } as Payload;
}
