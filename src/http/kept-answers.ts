import type { Context } from 'koa';
import { MINUTE } from '../platform/clock.ts';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { derivedKey, KeyRing } from '../platform/secrets.ts';

/**
 * Owns answers that are stored briefly, so that a repeated request gets the answer of the first. An answer may contain a code or a session
 * id. So it is encrypted with a key derived from what the browser sent, and the database alone cannot decrypt it.
 */

export type Answer = { status: number; headers: Record<string, string>; cookies: string[]; body: string };

/** How long an answer is stored: no longer than a code lives (RFC 6749 section 4.1.2). */
export const KEPT_SECONDS = MINUTE;

const HEADERS = [
  'Cache-Control',
  'Content-Disposition',
  'Content-Language',
  'Content-Security-Policy',
  'Content-Type',
  'Location',
  'Refresh',
  'Vary',
];

const LONGEST = 128 * 1024;

/** @returns the answer as written so far; undefined if it is not text or too long to store. */
export function answerOf(ctx: Context): Answer | undefined {
  const body = ctx.body ?? '';
  if (typeof body !== 'string' || body.length > LONGEST) return undefined;
  const headers = HEADERS.map((name) => [name, ctx.response.get(name)]).filter(([, value]) => value);
  return {
    status: ctx.status,
    headers: Object.fromEntries(headers),
    cookies: [ctx.response.get('Set-Cookie')].flat().filter(Boolean),
    body,
  };
}

/** Replaces what was written so far with a stored answer. @param cookies to set; by default those of the answer. */
export function giveAnswer(ctx: Context, { status, headers, cookies: own, body }: Answer, cookies: string[] = own): void {
  for (const name of HEADERS) if (name !== 'Content-Security-Policy') ctx.remove(name);
  ctx.status = status;
  ctx.body = body;
  ctx.set(headers);
  const before = [ctx.response.get('Set-Cookie')].flat().filter(Boolean);
  if (cookies.length) ctx.set('Set-Cookie', [...before, ...cookies]);
  ctx.state.logged = { ...ctx.state.logged, repeated: true };
}

/** Where a value is stored: an id and a key. Neither can be computed from the other. */
export type Place = { id: Uint8Array<ArrayBuffer>; key: Uint8Array };

/**
 * @param secret known to the browser only: at least 128 random bits.
 * @param purpose separates places, so that one secret does not open two.
 */
export function placeOf(purpose: string, secret: string): Place {
  const bytes = derivedKey(secret, `kept answer: ${purpose}`, 64);
  return { id: bytes.slice(0, 32), key: bytes.slice(32) };
}

const contextOf = ({ id }: Place) => `kept_answer ${Buffer.from(id).toString('hex')}`;

/** @returns the statement that stores values; a later value of a place replaces the earlier one. */
export function keeping(values: { place: Place; value: unknown; seconds: number }[]): Statement {
  const rows = values.map(({ place, value, seconds }) => {
    const sealed = new KeyRing([place.key]).encrypt(JSON.stringify(value), contextOf(place));
    return Prisma.sql`(${place.id}, ${sealed}, now() + ${seconds} * interval '1 second')`;
  });
  return Prisma.sql`
    insert into kept_answer (id, sealed, expires_at) values ${Prisma.join(rows)}
    on conflict (id) do update set sealed = excluded.sealed, expires_at = excluded.expires_at`;
}

/** Reserves a place for a request in progress. @returns whether it was free. Of any number of parallel requests, one succeeds. */
export async function takePlace(database: Database, { id }: Place, seconds: number): Promise<boolean> {
  const taken = await database.change(Prisma.sql`
    insert into kept_answer as known (id, expires_at) values (${id}, now() + ${seconds} * interval '1 second')
    on conflict (id) do update set sealed = null, expires_at = excluded.expires_at where known.expires_at <= now()
    returning 1`);
  return taken.length > 0;
}

export async function freePlace(database: Database, { id }: Place): Promise<void> {
  await database.change(Prisma.sql`delete from kept_answer where id = ${id} and sealed is null`);
}

/**
 * @returns what is stored at a place: `value` is undefined while the request that reserved it is in progress. Undefined when the place is
 * free.
 */
export async function findKept<Value>(database: Database, place: Place): Promise<{ value: Value | undefined } | undefined> {
  const [row] = await database.query<{ sealed: string | null }>(
    Prisma.sql`select sealed from kept_answer where id = ${place.id} and expires_at > now()`,
  );
  if (!row) return undefined;
  return { value: row.sealed === null ? undefined : (JSON.parse(new KeyRing([place.key]).decrypt(row.sealed, contextOf(place))) as Value) };
}
