import type { Context } from 'koa';
import { DAY, systemClock } from '../platform/clock.ts';
import { digestInHex, equalSecrets, randomSecret } from '../platform/secrets.ts';

/**
 * Owns the word of a browser that an account has signed in there before: a cookie that we signed. It names no account to anyone who reads it, and
 * opens nothing. Does not decide what a new device is told, or spared.
 */

const LIFE_MS = 400 * DAY * 1000;

/** More people than share a browser. The one who was there longest ago leaves. */
const MOST_ACCOUNTS = 20;

const MARK_LENGTH = 22;

/** `at` is in milliseconds since 1970. */
type Mark = { account: string; at: number };

type Device = { id: string; marks: Mark[] };

const cookieName = (ctx: Context) => (ctx.secure ? '__Host-device' : 'device');

/** When an account last signed in at this browser; undefined when it never has, or the browser has forgotten. */
export function lastSignInHere(ctx: Context, accountId: string): Date | undefined {
  const device = deviceOf(ctx);
  const mark = device && markOf(device, accountId);
  return mark && new Date(mark.at);
}

/**
 * Names this browser together with an account that signed in here, for counting: nobody else can use that count up, or close it.
 * @param since a sign-in before that does not count. @returns undefined when the account did not sign in here since then.
 */
export function knownDeviceKey(ctx: Context, accountId: string, since: Date | null): string | undefined {
  const device = deviceOf(ctx);
  const mark = device && markOf(device, accountId);
  if (!mark || (since && mark.at < since.getTime())) return undefined;
  return `${accountId} ${mark.account}`;
}

/** Whether some account signed in at this browser before: then it is worth looking which. */
export const isKnownDevice = (ctx: Context): boolean => deviceOf(ctx) !== undefined;

/** Has this browser remember that an account signs in there now. */
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

/** Of every account another one on every device: two browsers, or two readers of one, cannot compare whom they know. */
const digestOf = (deviceId: string, accountId: string) => digestInHex(`${deviceId} ${accountId}`).slice(0, MARK_LENGTH);

function markOf({ id, marks }: Device, accountId: string): Mark | undefined {
  const expected = digestOf(id, accountId);
  return marks.find(({ account }) => equalSecrets(account, expected));
}
