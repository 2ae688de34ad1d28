import { DAY } from '../../platform/clock.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { digest, type KeyRing } from '../../platform/secrets.ts';
import { Problem } from './problem.ts';

/**
 * Owns that a change which is asked for twice is made once: a caller who never heard the answer sends the same request with the same
 * Idempotency-Key, and hears it then. A key is its caller's own. A refusal changed nothing, and is not kept.
 */

export type Answer = { status: number; body: unknown };

/** `name` of the key and of who asks; `request`, what is asked: method, address and body. */
export type Asked = { name: string; request: string };

const KEY = /^[\x21-\x7e]{1,255}$/;

/** @throws Problem 400 for what is no key. */
export function judgeKey(key: string): string {
  if (!KEY.test(key))
    throw new Problem('invalid_request', { detail: 'Idempotency-Key takes 1 to 255 characters of ASCII, without spaces' });
  return key;
}

/** @returns the answer, and whether it is one that was given before. @throws Problem 409, 422, and whatever `act` throws: then the key is free again. */
export async function once(
  { database, keyRing }: { database: Database; keyRing: KeyRing },
  { name, request }: Asked,
  act: () => Promise<Answer>,
): Promise<Answer & { replayed: boolean }> {
  const key = digest(name);
  const context = `idempotency_key:${Buffer.from(key).toString('hex')}`;
  if (!(await claim(database, key, digest(request)))) {
    const sealed = await earlier(database, key, digest(request));
    return { ...(JSON.parse(keyRing.decrypt(sealed, context)) as Answer), replayed: true };
  }
  let answer: Answer;
  try {
    answer = await act();
  } catch (error) {
    await database.change(Prisma.sql`delete from idempotency_key where key = ${key} and sealed is null`);
    throw error;
  }
  await database.change(
    Prisma.sql`update idempotency_key set sealed = ${keyRing.encrypt(JSON.stringify(answer), context)} where key = ${key}`,
  );
  return { ...answer, replayed: false };
}

/** Of any number at once one claims the key, by the insert itself. One that has expired, and was not pruned yet, is free. */
async function claim(database: Database, key: Uint8Array, request: Uint8Array): Promise<boolean> {
  const claimed = await database.change(Prisma.sql`
    insert into idempotency_key as known (key, request, expires_at) values (${key}, ${request}, now() + ${DAY} * interval '1 second')
    on conflict (key) do update set request = excluded.request, sealed = null, created_at = now(), expires_at = excluded.expires_at
    where known.expires_at <= now() returning 1`);
  return claimed.length > 0;
}

/** The answer that was given. @throws Problem when there is none yet, or it is one to another request. */
async function earlier(database: Database, key: Uint8Array, request: Uint8Array): Promise<string> {
  const [row] = await database.query<{ same: boolean; sealed: string | null }>(Prisma.sql`
    select request = ${request} as same, sealed from idempotency_key where key = ${key}`);
  if (row && !row.same) throw new Problem('idempotency_key_reused');
  // Whoever cannot know whether it was done is not served by doing it again: a key of a request that was cut short stays taken.
  if (!row?.sealed) throw new Problem('under_way', { headers: { 'Retry-After': '1' } });
  return row.sealed;
}
