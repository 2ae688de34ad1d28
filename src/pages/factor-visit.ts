import type { Context } from 'koa';
import type { EventType } from '../audit/events.ts';
import { assertOurForm, csrfToken } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import { seeOther } from '../http/see-other.ts';
import { type Proofs, provedMailRecently } from '../oauth/session/session-proofs.ts';
import { vouchFor } from '../people/mailbox-proof.ts';
import type { About } from '../people/security-letters.ts';
import type { Statement } from '../platform/database.ts';
import { type FirstParty, type SignedIn, signedIn } from './first-party.ts';
import { type NeededFor, sentToProve } from './fresh-proof.ts';
import { alarm, pressedBefore, RECENT_SECONDS, TO_FILL_IN_SECONDS } from './own-pages.ts';

/** What the pages about a person's factors have in common: who is there, how recently they signed in, and the form's proof that it is theirs. */

export type FactorVisit = SignedIn & { ctx: Context; csrf: string; services: FirstParty };

/** Where they all begin and end. */
export const FACTORS_PATH = '/account/factors';

/** @returns undefined when the browser was sent to sign in, as is one whose person did so too long ago. */
export async function visit(ctx: Context, services: FirstParty, maxAgeSeconds?: number): Promise<FactorVisit | undefined> {
  const there = await signedIn(ctx, services, maxAgeSeconds === undefined ? {} : { maxAgeSeconds });
  if (!there) return undefined;
  return { ...there, ctx, services, csrf: csrfToken(services.config.cookieKeys, subject(there)) };
}

/** The same for a page from which something is changed. */
export const visitToChange = (ctx: Context, services: FirstParty) => visit(ctx, services, RECENT_SECONDS);

/** The same for a page on which a way in is added. @returns undefined also when the browser was sent to prove more than the password. */
export async function visitToAdd(ctx: Context, services: FirstParty, what: NeededFor): Promise<FactorVisit | undefined> {
  const there = await visitToChange(ctx, services);
  return there && !sentToProve(ctx, there.session, what) ? there : undefined;
}

/**
 * Takes a form of theirs. @returns undefined also for one that is sent a second time, and was answered like the first. @param filledIn whether its page was one of visitToChange(), with fields to fill in.
 * @param adds what it adds, if it adds a way in: see visitToAdd().
 * @throws AppError 403 for a form that is not ours.
 */
export async function visitWithForm(
  ctx: Context,
  services: FirstParty,
  { filledIn = false, adds }: { filledIn?: boolean; adds?: NeededFor } = {},
): Promise<{ there: FactorVisit; form: URLSearchParams } | undefined> {
  const form = await readForm(ctx);
  const there = await visit(ctx, services, RECENT_SECONDS + (filledIn ? TO_FILL_IN_SECONDS : 0));
  if (!there || (adds && sentToProve(ctx, there.session, adds))) return undefined;
  assertOurForm(ctx, services.config.cookieKeys, subject(there), form.get('csrf'), services.config.issuer);
  // Factors are written by transactions of their own, which nobody hears of.
  ctx.state.pressChanged = true;
  return (await pressedBefore(ctx, services, form)) ? undefined : { there, form };
}

/** Whether the browser comes from signing in again, which a form was stopped for: the page says that nothing was changed yet. */
export const wasStopped = (ctx: Context): boolean => ctx.query['again'] !== undefined;

/** Back to the list, which says what was done. A form becomes a GET, so that reloading does not send it again. */
export function done({ ctx }: FactorVisit, what?: EventType): void {
  seeOther(ctx, what ? `${FACTORS_PATH}?done=${what}` : FACTORS_PATH);
}

/** A form that had to sign in first comes back as a GET: the list has its button. */
export function backToList(ctx: Context): void {
  seeOther(ctx, wasStopped(ctx) ? `${FACTORS_PATH}?again` : FACTORS_PATH);
}

/** The writing of the letter about a change, to be run with the event: whoever did not make it is to hear of it. */
export function letterAbout(there: FactorVisit, about: About<'factor_changed'>): Statement[] {
  // Recovery codes are made anew, and are removed with the last factor alone.
  const change = about.factor === 'recovery_codes' ? 'recovery_codes_added' : (`${about.factor}_${about.change}` as const);
  return alarm(there, 'factor_changed', change, about);
}

/** Has a factor count as the user's own that is added in the same transaction, where the user read the account's mail a moment ago. */
export const vouched = ({ session, account }: FactorVisit): Statement[] =>
  provedMailRecently(session as Proofs, TO_FILL_IN_SECONDS) ? [vouchFor(account.id)] : [];

const subject = ({ session }: SignedIn) => `factors ${session.uid}`;
