import type { Context } from 'koa';
import type { App } from '../oauth/app.ts';
import type { Account } from '../people/store.ts';
import { signedIn } from './first-party.ts';

/** Owns the sign-in that a page requires. The issuer's door uses the issuer's session; administration may have its own. */

/** The signed-in user and the session. */
export type SignedInAt = { account: Account; session: { uid: string; acr?: string | undefined } };

export type Door = {
  /** The origin of the pages, from which their forms are sent. */
  origin: string;
  /** @returns undefined when the browser was redirected to sign in; the response is then complete. @see signedIn */
  enter(ctx: Context, wish?: { maxAgeSeconds?: number }): Promise<SignedInAt | undefined>;
  /** Identifies the browser: the value of its session cookie. */
  browser(ctx: Context): string;
};

export const issuerDoor = (app: App): Door => ({
  origin: app.config.issuer,
  enter: (ctx, wish) => signedIn(ctx, app, wish),
  browser: (ctx) => ctx.cookies.get(app.provider.cookieName('session'), { signed: true }) ?? '',
});
