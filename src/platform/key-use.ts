import { type Database, Prisma, type Statement } from './database.ts';
import type { Log } from './log.ts';
import { digestInHex, keyId } from './secrets.ts';

/**
 * Owns which key of COOKIE_KEYS and of DATA_ENCRYPTION_KEYS a node writes with. A node reads with every key from its start. It writes with
 * a new key after a delay, or after an operator confirmed that every node has it (`keys.ts use`). Before that, nodes that have not
 * restarted yet could not read what it writes.
 */

export type Keys = { cookieKeys: string[]; dataEncryptionKeys: Uint8Array[] };

export type KeyKind = 'cookie' | 'data';

/** One key, named by its kind and id. */
export type KnownKey = { kind: KeyKind; id: string; seenAt: Date; usedFrom: Date; used: boolean };

const READ_EVERY_MS = 60_000;
const RETRY_MS = 5_000;

const IDS: { [Kind in KeyKind]: (keys: Keys) => string[] } = {
  // Eight hex digits distinguish two keys, and do not help anyone to guess one.
  cookie: ({ cookieKeys }) => cookieKeys.map((key) => digestInHex(`cookie key ${key}`).slice(0, 8)),
  data: ({ dataEncryptionKeys }) => dataEncryptionKeys.map(keyId),
};
const KINDS = Object.keys(IDS) as KeyKind[];

/**
 * Moves the key that writes to the front of both lists, at once and at each later change. It changes the lists in place, because every part
 * of the server that holds one must follow.
 * @param keys each list newest first, as the operator wrote it.
 * @param delayMinutes how long a new key waits while another key is in use.
 * @throws DatabaseUnavailable
 */
export async function followKeyUse(
  keys: Keys,
  { database, log, delayMinutes }: { database: Database; log: Log; delayMinutes: number },
): Promise<{ close(): void }> {
  const asWritten: Keys = { cookieKeys: [...keys.cookieKeys], dataEncryptionKeys: [...keys.dataEncryptionKeys] };
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let turn = Promise.resolve();

  const use = async (first: boolean) => {
    const known = await readKeyUse(database);
    const ordered = inUse(asWritten, known);
    const before = KINDS.map((kind) => IDS[kind](keys)[0]);
    keys.cookieKeys.splice(0, keys.cookieKeys.length, ...ordered.cookieKeys);
    keys.dataEncryptionKeys.splice(0, keys.dataEncryptionKeys.length, ...ordered.dataEncryptionKeys);
    for (const [index, kind] of KINDS.entries()) {
      const id = IDS[kind](keys)[0];
      if (id !== before[index] && !first) log.info({ event: 'key_used', kind, key: id });
    }
    const now = Date.now();
    const moments = known.filter(({ used }) => !used).map(({ usedFrom }) => usedFrom.getTime() - now);
    wakeIn(Math.max(0, Math.min(READ_EVERY_MS, ...moments)) + 1);
  };
  const wake = () => {
    turn = turn.then(async () => {
      if (closed) return;
      await use(false).catch((error) => {
        log.warn({ event: 'key_use_not_read', reason: error.message });
        wakeIn(RETRY_MS);
      });
    });
  };
  const wakeIn = (ms: number) => {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(wake, ms).unref();
  };

  for (const kind of KINDS) await database.change(introduced(kind, IDS[kind](asWritten), delayMinutes));
  await use(true);
  for (const { kind, id, usedFrom, used } of await readKeyUse(database))
    if (!used && IDS[kind](asWritten).includes(id)) log.info({ event: 'key_waits', kind, key: id, used_from: usedFrom });
  database.listen('key_use_changed', wake, wake);
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Keys that are new to all nodes wait. If no key of the list is known, none waits: nothing was written with an older one. */
function introduced(kind: KeyKind, ids: string[], delayMinutes: number): Statement {
  return Prisma.sql`
    insert into key_use (kind, id, used_from)
    select ${kind}, id, now() + case when known then ${delayMinutes} * interval '1 minute' else interval '0' end
    from unnest(${ids}::text[]) as id, (select exists (select from key_use where kind = ${kind} and id = any(${ids}::text[])) as known) as before
    where not exists (select from key_use u where u.kind = ${kind} and u.id = id.id)
    on conflict do nothing returning 1`;
}

export function readKeyUse(database: Database): Promise<KnownKey[]> {
  return database.query<KnownKey>(Prisma.sql`
    select kind, id, seen_at as "seenAt", used_from as "usedFrom", used_from <= now() as used from key_use order by kind, seen_at, id`);
}

/** @returns each list with the key that writes first. @param keys newest first. */
export function inUse(keys: Keys, known: KnownKey[]): Keys {
  const first = <Key>(kind: KeyKind, list: Key[]): Key[] => {
    const ids = IDS[kind](keys);
    const used = new Set(known.filter((key) => key.kind === kind && key.used).map(({ id }) => id));
    const index = ids.findIndex((id) => used.has(id));
    // No key is in use yet, so all keys are equally new.
    return index < 1 ? [...list] : [list[index] as Key, ...list.filter((_, other) => other !== index)];
  };
  return { cookieKeys: first('cookie', keys.cookieKeys), dataEncryptionKeys: first('data', keys.dataEncryptionKeys) };
}

/** Puts every waiting key into use now. @returns their kinds and ids. */
export function keysUsedNow(): Statement {
  return Prisma.sql`update key_use set used_from = now() where used_from > now() returning kind, id`;
}
