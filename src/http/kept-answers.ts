import type { Context } from 'koa';
import { MINUTE } from '../platform/clock.ts';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { derivedKey, KeyRing } from '../platform/secrets.ts';

/**
 * Owns answers that are kept for a moment, so that a request that is sent twice is answered like the first time. An answer may hold a code or a
 * session's id: it is sealed under a key that is derived from what the browser sent, and the database alone cannot open it.
 */

export type Answer = { status: number; headers: Record<string, string>; cookies: string[]; body: string };

/** How long an answer is kept: no longer than a code lives (RFC 6749 section 4.1.2). */
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

/** The answer that was written. @returns undefined for one that is no text, or too long to keep. */
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

/** Answers with a kept answer, instead of what was written so far. @param cookies to set; those of the answer unless given. */
export function giveAnswer(ctx: Context, { status, headers, cookies: own, body }: Answer, cookies: string[] = own): void {
  for (const name of HEADERS) if (name !== 'Content-Security-Policy') ctx.remove(name);
  ctx.status = status;
  ctx.body = body;
  ctx.set(headers);
  const before = [ctx.response.get('Set-Cookie')].flat().filter(Boolean);
  if (cookies.length) ctx.set('Set-Cookie', [...before, ...cookies]);
  ctx.state.logged = { ...ctx.state.logged, repeated: true };
}

/** Where something is kept: under an id and a key, of which neither leads to the other. */
export type Place = { id: Uint8Array<ArrayBuffer>; key: Uint8Array };

/** @param secret what only the browser knows: at least 128 bits that nobody can guess. @param purpose so that no secret opens two places. */
export function placeOf(purpose: string, secret: string): Place {
  const bytes = derivedKey(secret, `kept answer: ${purpose}`, 64);
  return { id: bytes.slice(0, 32), key: bytes.slice(32) };
}

const contextOf = ({ id }: Place) => `kept_answer ${Buffer.from(id).toString('hex')}`;

/** The writing of what is to be kept; a place has its last value. */
export function keeping(values: { place: Place; value: unknown; seconds: number }[]): Statement {
  const rows = values.map(({ place, value, seconds }) => {
    const sealed = new KeyRing([place.key]).encrypt(JSON.stringify(value), contextOf(place));
    return Prisma.sql`(${place.id}, ${sealed}, now() + ${seconds} * interval '1 second')`;
  });
  return Prisma.sql`
    insert into kept_answer (id, sealed, expires_at) values ${Prisma.join(rows)}
    on conflict (id) do update set sealed = excluded.sealed, expires_at = excluded.expires_at`;
}

/** Takes a place for a request that is under way. @returns whether it was free: of any number at once, one takes it. */
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

/** What is kept at a place: `value` is undefined while the request that took it is under way. @returns undefined when the place is free. */
export async function findKept<Value>(database: Database, place: Place): Promise<{ value: Value | undefined } | undefined> {
  const [row] = await database.query<{ sealed: string | null }>(
    Prisma.sql`select sealed from kept_answer where id = ${place.id} and expires_at > now()`,
  );
  if (!row) return undefined;
  return { value: row.sealed === null ? undefined : (JSON.parse(new KeyRing([place.key]).decrypt(row.sealed, contextOf(place))) as Value) };
}
