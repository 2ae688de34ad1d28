import type { Context } from 'koa';
import type { Account } from '../people/store.ts';
import { type FirstParty, signedIn } from './first-party.ts';

/** Owns what a page of ours asks at its door. Behind the issuer's own door stands its session; administration may have a door of its own. */

/** Who is here, and by which sign-in. */
export type SignedInAt = { account: Account; session: { uid: string; acr?: string | undefined } };

export type Door = {
  /** Where the pages are: the origin that their forms are sent from. */
  origin: string;
  /** @returns undefined when the browser was sent away to sign in, and the answer is written. @see signedIn */
  enter(ctx: Context, wish?: { maxAgeSeconds?: number }): Promise<SignedInAt | undefined>;
  /** What names the browser: the value of the cookie that it is signed in by. */
  browser(ctx: Context): string;
};

export const issuerDoor = (services: FirstParty): Door => ({
  origin: services.config.issuer,
  enter: (ctx, wish) => signedIn(ctx, services, wish),
  browser: (ctx) => ctx.cookies.get(services.provider.cookieName('session'), { signed: true }) ?? '',
});
