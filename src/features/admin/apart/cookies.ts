import type { Context } from 'koa';
import type { KeyRing } from '../../../platform/secrets.ts';

/**
 * Owns the two cookies of the pages on ADMIN_PORT: the session, and the pending sign-ins. Both are sealed, so nobody can read or forge
 * them.
 */

/** A sign-in that this browser began. Its answer must come back to the same browser, once. */
export type Pending = {
  state: string;
  nonce: string;
  verifier: string;
  /** The page to return to. */
  page: string;
  /** Milliseconds since 1970. */
  until: number;
};

/** The most tabs that sign in at the same time; the oldest of more must start again. */
const MOST_PENDING = 4;

export type AdminCookies = {
  /** The access token that represents the browser's session here. */
  token(ctx: Context): string | undefined;
  keepToken(ctx: Context, token: string): void;
  forgetToken(ctx: Context): void;
  addPending(ctx: Context, pending: Pending): void;
  /** Removes the sign-in with this state from the cookie. @returns undefined when this browser began none, or too long ago. */
  takePending(ctx: Context, state: unknown): Pending | undefined;
  /** @returns the session cookie as sent, which also identifies the browser. */
  sent(ctx: Context): string;
};

export function createAdminCookies(origin: string, keyRing: KeyRing): AdminCookies {
  // A __Host- cookie belongs to this host only and cannot come from plain http.
  const prefix = origin.startsWith('https:') ? '__Host-' : '';
  const [session, pending] = [`${prefix}admin`, `${prefix}admin-sign-in`];
  const options = { httpOnly: true, sameSite: 'lax', path: '/', signed: false, overwrite: true } as const;

  const read = (ctx: Context, name: string): string | undefined => {
    const sealed = ctx.cookies.get(name, { signed: false });
    if (!sealed) return undefined;
    try {
      return keyRing.decrypt(sealed, `cookie: ${name}`);
    } catch {
      return undefined;
    }
  };
  const write = (ctx: Context, name: string, text: string | undefined) =>
    ctx.cookies.set(name, text === undefined ? null : keyRing.encrypt(text, `cookie: ${name}`), options);

  const readPending = (ctx: Context): Pending[] =>
    (JSON.parse(read(ctx, pending) ?? '[]') as Pending[]).filter(({ until }) => until > Date.now());
  const writePending = (ctx: Context, all: Pending[]) => write(ctx, pending, all.length ? JSON.stringify(all) : undefined);

  return {
    token: (ctx) => read(ctx, session),
    keepToken: (ctx, token) => void write(ctx, session, token),
    forgetToken: (ctx) => void write(ctx, session, undefined),
    addPending: (ctx, one) => void writePending(ctx, [...readPending(ctx), one].slice(-MOST_PENDING)),
    takePending(ctx, state) {
      const all = readPending(ctx);
      const found = all.find((one) => one.state === state);
      if (found)
        writePending(
          ctx,
          all.filter((one) => one !== found),
        );
      return found;
    },
    sent: (ctx) => ctx.cookies.get(session, { signed: false }) ?? '',
  };
}
