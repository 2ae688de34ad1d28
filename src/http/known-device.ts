import type { Context } from 'koa';
import { DAY, systemClock } from '../platform/clock.ts';
import { digestInHex, equalSecrets, randomSecret } from '../platform/secrets.ts';

/**
 * Owns a signed cookie that remembers which accounts signed in at this browser. It reveals no account to anyone who reads it, and grants no
 * access. Other files decide what follows from a new or known browser.
 */

const LIFE_MS = 400 * DAY * 1000;

/** More users than normally share a browser. The account with the oldest sign-in is dropped. */
const MOST_ACCOUNTS = 20;

const MARK_LENGTH = 22;

/** `at` is in milliseconds since 1970. */
type Mark = { account: string; at: number };

type Device = { id: string; marks: Mark[] };

const cookieName = (ctx: Context) => (ctx.secure ? '__Host-device' : 'device');

/** @returns when an account last signed in at this browser; undefined if never, or if the browser lost the cookie. */
export function lastSignInHere(ctx: Context, accountId: string): Date | undefined {
  const device = deviceOf(ctx);
  const mark = device && markOf(device, accountId);
  return mark && new Date(mark.at);
}

/**
 * Identifies this browser together with an account that signed in here, as a key for rate limits. Nobody else can use up or block this key.
 * @param since earlier sign-ins do not count.
 * @returns undefined when the account did not sign in here since then.
 */
export function knownDeviceKey(ctx: Context, accountId: string, since: Date | null): string | undefined {
  const device = deviceOf(ctx);
  const mark = device && markOf(device, accountId);
  if (!mark || (since && mark.at < since.getTime())) return undefined;
  return `${accountId} ${mark.account}`;
}

/** Whether any account signed in at this browser, so that callers can skip the comparison otherwise. */
export const isKnownDevice = (ctx: Context): boolean => deviceOf(ctx) !== undefined;

/** Remembers in this browser that an account signs in now. */
export function rememberDevice(ctx: Context, accountId: string, now = systemClock.now()): void {
  const device = deviceOf(ctx) ?? { id: randomSecret().slice(0, MARK_LENGTH), marks: [] };
  const known = markOf(device, accountId);
  const mark = { account: digestOf(device.id, accountId), at: now.getTime() };
  const marks = [mark, ...device.marks.filter((other) => other !== known)].slice(0, MOST_ACCOUNTS);
  const value = [device.id, ...marks.map(({ account, at }) => `${account}-${at.toString(36)}`)].join('.');
  ctx.cookies.set(cookieName(ctx), value, { signed: true, httpOnly: true, sameSite: 'lax', path: '/', maxAge: LIFE_MS });
}

function deviceOf(ctx: Context): Device | undefined {
  const [id, ...marks] = (ctx.cookies.get(cookieName(ctx), { signed: true }) ?? '').split('.');
  if (!id) return undefined;
  return {
    id,
    marks: marks.map((mark) => {
      const [account = '', at = ''] = mark.split('-');
      return { account, at: Number.parseInt(at, 36) };
    }),
  };
}

/** Different for each account on each device, so that nobody can compare the cookies of two browsers. */
const digestOf = (deviceId: string, accountId: string) => digestInHex(`${deviceId} ${accountId}`).slice(0, MARK_LENGTH);

function markOf({ id, marks }: Device, accountId: string): Mark | undefined {
  const expected = digestOf(id, accountId);
  return marks.find(({ account }) => equalSecrets(account, expected));
}
