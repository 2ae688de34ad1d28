import { DAY, MINUTE } from '../../../platform/clock.ts';
import { type Database, isUnavailable, Prisma, type Statement } from '../../../platform/database.ts';
import { digest, type KeyRing } from '../../../platform/secrets.ts';
import { Problem } from './problem.ts';

/**
 * Owns that a change which is asked for twice is made once: a caller who never heard the answer sends the same request with the same
 * Idempotency-Key, and hears it then. A key is its caller's own.
 *
 * The key is taken in the first transaction of the act: where that did not come to its end, whether the act was refused, the database was lost or
 * the process died, nothing was done, and the key is free. Of any number at once one takes it, and the others' transactions come to nothing.
 */

export type Answer = { status: number; body: unknown };

/** `name` of the key and of who asks; `request`, what is asked: method, address and body. `creates`: done twice, there are two. */
export type Asked = { name: string; request: string; creates: boolean };

const KEY = /^[\x21-\x7e]{1,255}$/;

/** @throws Problem 400 for what is no key. */
export function judgeKey(key: string): string {
  if (!KEY.test(key))
    throw new Problem('invalid_request', { detail: 'Idempotency-Key takes 1 to 255 characters of ASCII, without spaces' });
  return key;
}

type Place = { database: Database; keyRing: KeyRing };
type Key = { key: Uint8Array; request: Uint8Array; context: string; creates: boolean };

/**
 * @param act takes what is to be written along with its first change, told once.
 * @returns the answer, and whether it is one that was given before. @throws Problem 409, 422, and whatever `act` throws.
 */
export async function once(place: Place, asked: Asked, act: (take: () => Statement | undefined) => Promise<Answer>) {
  const key = digest(asked.name);
  const wanted: Key = {
    key,
    request: digest(asked.request),
    context: `idempotency_key:${Buffer.from(key).toString('hex')}`,
    creates: asked.creates,
  };
  await forgetWhatIsOver(place.database, wanted);
  const before = await earlier(place, wanted);
  if (before) return { ...before, replayed: true };
  const taking = [take(wanted)];
  let answer: Answer;
  try {
    answer = await act(() => taking.pop());
  } catch (error) {
    // Somebody with the same key may have been first: then what they did is the reason.
    const meanwhile = isUnavailable(error) ? undefined : await earlier(place, wanted);
    if (!meanwhile) throw error;
    return { ...meanwhile, replayed: true };
  }
  await keep(place, wanted, answer);
  return { ...answer, replayed: false };
}

/** Fails by a unique violation (23505) for all but the first. */
const take = ({ key, request }: Key): Statement => Prisma.sql`
  insert into idempotency_key (key, request, expires_at) values (${key}, ${request}, now() + ${DAY} * interval '1 second')`;

// Nobody is at work on one request for longer: a statement has a second and a half.
const UNDER_WAY = Prisma.sql`now() - ${MINUTE} * interval '1 second'`;

/** What has expired and was not pruned yet. And where the answer was lost, since the process died before it was written: what does not create anything may be done again. */
async function forgetWhatIsOver(database: Database, { key, creates }: Key): Promise<void> {
  await database.change(Prisma.sql`
    delete from idempotency_key where key = ${key} and (expires_at <= now() or (${!creates} and sealed is null and created_at <= ${UNDER_WAY}))`);
}

/** The answer that was given; undefined where the key is free. @throws Problem when there is none yet, or none any more, or it is one to another request. */
async function earlier({ database, keyRing }: Place, { key, request, context }: Key): Promise<Answer | undefined> {
  const [row] = await database.query<{ same: boolean; sealed: string | null; lost: boolean }>(Prisma.sql`
    select request = ${request} as same, sealed, created_at <= ${UNDER_WAY} as lost from idempotency_key where key = ${key} and expires_at > now()`);
  if (!row) return undefined;
  if (!row.same) throw new Problem('idempotency_key_reused');
  if (row.sealed) return JSON.parse(keyRing.decrypt(row.sealed, context)) as Answer;
  throw row.lost ? new Problem('answer_lost') : new Problem('under_way', { headers: { 'Retry-After': '1' } });
}

/** An act that found nothing to change has taken no key; its answer is kept all the same. */
async function keep({ database, keyRing }: Place, { key, request, context }: Key, answer: Answer): Promise<void> {
  const sealed = keyRing.encrypt(JSON.stringify(answer), context);
  try {
    await database.change(Prisma.sql`
      insert into idempotency_key as known (key, request, sealed, expires_at) values (${key}, ${request}, ${sealed}, now() + ${DAY} * interval '1 second')
      on conflict (key) do update set sealed = excluded.sealed where known.request = excluded.request and known.sealed is null`);
  } catch (error) {
    // It is done, and who asked hears so. Whoever asks again is told that the answer was lost.
    if (!isUnavailable(error)) throw error;
  }
}
