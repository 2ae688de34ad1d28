import type { Context } from 'koa';
import type { EventType } from '../audit/events.ts';
import { assertOurForm, csrfToken } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import { seeOther } from '../http/redirects.ts';
import type { App } from '../oauth/app.ts';
import { type Proofs, provedMailRecently } from '../oauth/session/session-proofs.ts';
import { changedApart } from '../oauth/store/unit-of-work.ts';
import type { About } from '../people/security-letters.ts';
import { Prisma, type Statement } from '../platform/database.ts';
import { type SignedIn, signedIn } from './first-party.ts';
import { type NeededFor, sentToProve } from './fresh-proof.ts';
import { alarm, pressedBefore, RECENT_SECONDS, TO_FILL_IN_SECONDS } from './own-pages.ts';

/** Owns what the pages about a user's factors share: the signed-in user, the age of the sign-in, and the CSRF token of the form. */

export type FactorVisit = SignedIn & { ctx: Context; csrf: string; app: App };

/** The list of factors, where these pages begin and end. */
export const FACTORS_PATH = '/account/factors';

/** @returns undefined when the browser was redirected to sign in, because nobody is signed in or the sign-in is too old. */
export async function visit(ctx: Context, app: App, maxAgeSeconds?: number): Promise<FactorVisit | undefined> {
  const there = await signedIn(ctx, app, maxAgeSeconds === undefined ? {} : { maxAgeSeconds });
  if (!there) return undefined;
  return { ...there, ctx, app, csrf: csrfToken(app.config.cookieKeys, subject(there)) };
}

/** The same for a page that changes something. */
export const visitToChange = (ctx: Context, app: App) => visit(ctx, app, RECENT_SECONDS);

/**
 * The same for a page that adds a sign-in method.
 * @returns undefined also when the browser was redirected to prove more than the password.
 */
export async function visitToAdd(ctx: Context, app: App, what: NeededFor): Promise<FactorVisit | undefined> {
  const there = await visitToChange(ctx, app);
  return there && !sentToProve(ctx, there.session, what) ? there : undefined;
}

/**
 * Accepts a form of these pages.
 * @returns undefined also for a form that was sent before; it gets the first answer.
 * @param filledIn whether the user filled in fields on a page of visitToChange().
 * @param adds the sign-in method that the form adds, if any: see visitToAdd().
 * @throws AppError 403 for a form that this server did not create.
 */
export async function visitWithForm(
  ctx: Context,
  app: App,
  { filledIn = false, adds }: { filledIn?: boolean; adds?: NeededFor } = {},
): Promise<{ there: FactorVisit; form: URLSearchParams } | undefined> {
  const form = await readForm(ctx);
  const there = await visit(ctx, app, RECENT_SECONDS + (filledIn ? TO_FILL_IN_SECONDS : 0));
  if (!there || (adds && sentToProve(ctx, there.session, adds))) return undefined;
  assertOurForm(ctx, app.config.cookieKeys, subject(there), form.get('csrf'), app.config.issuer);
  // Factors are written by their own transactions.
  changedApart();
  return (await pressedBefore(ctx, app, form)) ? undefined : { there, form };
}

/** Whether the browser returns from a sign-in that interrupted a form: the page then says that nothing was changed. */
export const wasStopped = (ctx: Context): boolean => ctx.query['again'] !== undefined;

/** Redirects to the list, which reports what was done. The redirect is a GET, so that reloading does not repeat the form. */
export function done({ ctx }: FactorVisit, what?: EventType): void {
  seeOther(ctx, what ? `${FACTORS_PATH}?done=${what}` : FACTORS_PATH);
}

/** A form that had to sign in first returns as a GET: the list has its button. */
export function backToList(ctx: Context): void {
  seeOther(ctx, wasStopped(ctx) ? `${FACTORS_PATH}?again` : FACTORS_PATH);
}

/** The inserts of the mail about a change, to run with the event: the user must learn of a change made by somebody else. */
export function letterAbout(there: FactorVisit, about: About<'factor_changed'>): Statement[] {
  // Recovery codes are only ever replaced; they are removed with the last factor.
  const change = about.factor === 'recovery_codes' ? 'recovery_codes_added' : (`${about.factor}_${about.change}` as const);
  return alarm(there, 'factor_changed', change, about);
}

/** Marks a factor of the same transaction as the user's own, if the user proved the mailbox recently. */
export const vouched = ({ session, account }: FactorVisit): Statement[] =>
  provedMailRecently(session as Proofs, TO_FILL_IN_SECONDS) ? [vouchFor(account.id)] : [];

const subject = ({ session }: SignedIn) => `factors ${session.uid}`;

/** Marks what the same transaction added as the user's own, because the user proved the mailbox in this session recently. */
function vouchFor(accountId: string): Statement {
  return Prisma.sql`update user_account set mailbox_proven_at = now() where id = ${accountId}`;
}
