import type { Visit } from '../../../pages/own-pages.ts';
import { MINUTE } from '../../../platform/clock.ts';

/**
 * Owns the secret that an owner has just created, for the trial that follows. The browser keeps it in a cookie that only this server can read,
 * bound to the account, the session and the client. The server stores nothing.
 */

const KEPT_SECONDS = 30 * MINUTE;
const PATH = '/developer';

type Kept = { secret: string; until: number };

const cookieName = ({ ctx }: Visit) => (ctx.secure ? '__Secure-new-secret' : 'new-secret');
const contextOf = ({ account, session }: Visit, clientId: string) => `new client secret ${account.id} ${session.uid} ${clientId}`;

/** Keeps a new secret in this browser. A later one replaces it. */
export function keepSecret(visit: Visit, clientId: string, secret: string): void {
  const kept: Kept = { secret, until: Date.now() + KEPT_SECONDS * 1_000 };
  const value = visit.app.keyRing.encrypt(JSON.stringify(kept), contextOf(visit, clientId));
  visit.ctx.cookies.set(cookieName(visit), value, {
    httpOnly: true,
    sameSite: 'lax',
    path: PATH,
    maxAge: KEPT_SECONDS * 1_000,
    signed: false,
  });
}

/** @returns the secret of this client; undefined without one, in another session or after half an hour. */
export function keptSecret(visit: Visit, clientId: string): string | undefined {
  try {
    const text = visit.app.keyRing.decrypt(visit.ctx.cookies.get(cookieName(visit), { signed: false }) ?? '', contextOf(visit, clientId));
    const { secret, until } = JSON.parse(text) as Kept;
    return until > Date.now() ? secret : undefined;
  } catch {
    // No cookie, or one of another client, session or account.
    return undefined;
  }
}

/** Removes it: this server refused it, so it was revoked or has expired. */
export function forgetSecret(visit: Visit): void {
  visit.ctx.cookies.set(cookieName(visit), null, { path: PATH, signed: false });
}
