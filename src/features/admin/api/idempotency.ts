import type { StartingApp } from '../../../oauth/app.ts';
import { DAY, MINUTE } from '../../../platform/clock.ts';
import { type Database, isUnavailable, Prisma, type Statement } from '../../../platform/database.ts';
import { digest } from '../../../platform/secrets.ts';
import { ApiProblem } from './problem.ts';

/**
 * Owns the rule that a repeated change happens once. A caller that missed the answer sends the request again with the same Idempotency-Key
 * and gets that answer. Each caller has its own keys.
 * The act's first transaction stores the key. If it fails, because the act was refused, the database was lost or the process died, nothing
 * changed and the key stays free. Of several parallel requests one stores the key, and the transactions of the others fail.
 */

export type ApiAnswer = { status: number; body: unknown };

/**
 * `name` identifies the key and its caller. `request` is the method, the path and the body. `creates`: doing the request twice would create
 * two things.
 */
export type Asked = { name: string; request: string; creates: boolean };

const KEY = /^[\x21-\x7e]{1,255}$/;

/** @throws ApiProblem 400 for an invalid key. */
export function judgeKey(key: string): string {
  if (!KEY.test(key))
    throw new ApiProblem('invalid_request', { detail: 'Idempotency-Key takes 1 to 255 characters of ASCII, without spaces' });
  return key;
}

type KeyApp = Pick<StartingApp, 'database' | 'keyRing'>;
type Key = { key: Uint8Array; request: Uint8Array; context: string; creates: boolean };

/**
 * Runs an act at most once for its key.
 * @param act receives a function that returns, once, the statement to write with its first change.
 * @returns the answer, and whether it is a replay. @throws ApiProblem 409, 422, and any error of `act`.
 */
export async function once(app: KeyApp, asked: Asked, act: (take: () => Statement | undefined) => Promise<ApiAnswer>) {
  const key = digest(asked.name);
  const wanted: Key = {
    key,
    request: digest(asked.request),
    context: `idempotency_key:${Buffer.from(key).toString('hex')}`,
    creates: asked.creates,
  };
  await forgetWhatIsOver(app.database, wanted);
  const before = await earlier(app, wanted);
  if (before) return { ...before, replayed: true };
  const taking = [take(wanted)];
  let answer: ApiAnswer;
  try {
    answer = await act(() => taking.pop());
  } catch (error) {
    // Another request with the same key may have been first; then its answer is the right one.
    const meanwhile = isUnavailable(error) ? undefined : await earlier(app, wanted);
    if (!meanwhile) throw error;
    return { ...meanwhile, replayed: true };
  }
  await keep(app, wanted, answer);
  return { ...answer, replayed: false };
}

/** Fails with a unique violation (23505) for every request but the first. */
const take = ({ key, request }: Key): Statement => Prisma.sql`
  insert into idempotency_key (key, request, expires_at) values (${key}, ${request}, now() + ${DAY} * interval '1 second')`;

// No request is still running after this time: a statement has a second and a half.
const UNDER_WAY = Prisma.sql`now() - ${MINUTE} * interval '1 second'`;

/**
 * Deletes an expired key that was not pruned yet. Also deletes a key whose answer was lost because the process died, unless the act creates
 * something.
 */
async function forgetWhatIsOver(database: Database, { key, creates }: Key): Promise<void> {
  await database.change(Prisma.sql`
    delete from idempotency_key where key = ${key} and (expires_at <= now() or (${!creates} and sealed is null and created_at <= ${UNDER_WAY}))`);
}

/**
 * @returns the stored answer; undefined when the key is free. @throws ApiProblem when the answer is pending or lost, or the key belongs to
 * another request.
 */
async function earlier({ database, keyRing }: KeyApp, { key, request, context }: Key): Promise<ApiAnswer | undefined> {
  const [row] = await database.query<{ same: boolean; sealed: string | null; lost: boolean }>(Prisma.sql`
    select request = ${request} as same, sealed, created_at <= ${UNDER_WAY} as lost from idempotency_key where key = ${key} and expires_at > now()`);
  if (!row) return undefined;
  if (!row.same) throw new ApiProblem('idempotency_key_reused');
  if (row.sealed) return JSON.parse(keyRing.decrypt(row.sealed, context)) as ApiAnswer;
  throw row.lost ? new ApiProblem('answer_lost') : new ApiProblem('under_way', { headers: { 'Retry-After': '1' } });
}

/** Stores the answer. An act that changed nothing has not stored its key yet, so this also inserts it. */
async function keep({ database, keyRing }: KeyApp, { key, request, context }: Key, answer: ApiAnswer): Promise<void> {
  const sealed = keyRing.encrypt(JSON.stringify(answer), context);
  try {
    await database.change(Prisma.sql`
      insert into idempotency_key as known (key, request, sealed, expires_at) values (${key}, ${request}, ${sealed}, now() + ${DAY} * interval '1 second')
      on conflict (key) do update set sealed = excluded.sealed where known.request = excluded.request and known.sealed is null`);
  } catch (error) {
    // The change is done, and this caller gets its answer. A repeated request learns that the answer was lost.
    if (!isUnavailable(error)) throw error;
  }
}
