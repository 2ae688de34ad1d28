import Router from '@koa/router';
import type { Context } from 'koa';
import { type AuditEvent, type EventType, recordEvent } from '../audit/events.ts';
import { assertOurForm, csrfToken, stoodAt } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import { giveAnswer } from '../http/kept-answers.ts';
import { languageOf } from '../http/language.ts';
import { composeLetter, type LetterName, type Letters } from '../http/letters.ts';
import { answerToFirst } from '../http/presses.ts';
import { seeOther } from '../http/redirects.ts';
import { render } from '../http/render.ts';
import { visitorOf } from '../http/visitor.ts';
import { answeredBefore } from '../oauth/answers/first-press.ts';
import type { App } from '../oauth/app.ts';
import type { ProtocolFeature } from '../oauth/feature.ts';
import type { Write } from '../oauth/store/unit-of-work.ts';
import type { Change } from '../people/not-me.ts';
import { type About, securityLetter } from '../people/security-letters.ts';
import type { Account } from '../people/store.ts';
import { MINUTE, systemClock } from '../platform/clock.ts';
import type { Statement } from '../platform/database.ts';
import { isMailAddress, mailLetter } from '../platform/mail.ts';
import { type Door, issuerDoor, type SignedInAt } from './door.ts';
import type { PagesFeature } from './feature.ts';

/**
 * Owns the type of signed-in pages: account, developer, admin. A page requires a sign-in, and a change requires a recent sign-in and a form
 * of this server. The door finds the user (door.ts).
 */

/** A request of a signed-in user who may use the page. */
export type Visit = SignedInAt & { ctx: Context; app: App<PagesFeature & ProtocolFeature> };

/** `sent away`: the browser was redirected, and the response is complete. */
export type Admission = 'sent away' | undefined;

export type OwnPage = {
  show(visit: Visit): Promise<void>;
  /** Handles the page's form, after its CSRF token was checked. */
  submit?(visit: Visit, form: URLSearchParams): Promise<void>;
  /** Requires a recent sign-in to show the page, because a later sign-in would lose the filled-in fields. */
  recent?: true;
  /** Its form may end its own session. A second press then gets the first answer instead of the sign-in page. */
  endsSession?: true;
};

// A change requires a recent sign-in, so that a stranger at an open browser can change nothing. A form that was shown in time may be filled
// in later.
export const RECENT_SECONDS = 5 * MINUTE;
export const TO_FILL_IN_SECONDS = 10 * MINUTE;

/**
 * @param pages by path in @koa/router's syntax; the first match answers.
 * @param at the door of the pages; by default the issuer's.
 * @param admit throws for a user without access, or redirects the browser. It runs after the sign-in, so that strangers learn nothing.
 */
export function ownPages(
  pages: Record<string, OwnPage>,
  app: App<PagesFeature & ProtocolFeature>,
  admit: (visit: Visit) => Promise<Admission> = async () => undefined,
  at: Door = issuerDoor(app),
): Router {
  const router = new Router();
  for (const [path, page] of Object.entries(pages)) {
    router.get(path, async (ctx) => {
      const here = await at.enter(ctx, page.recent ? { maxAgeSeconds: RECENT_SECONDS } : {});
      if (!here) return;
      const visit = { ...here, ctx, app };
      if ((await admit(visit)) === 'sent away') return;
      await page.show(visit);
    });
    router.post(path, async (ctx) => {
      const here = await at.enter(ctx, { maxAgeSeconds: RECENT_SECONDS + (page.recent ? TO_FILL_IN_SECONDS : 0) });
      if (!here) return page.endsSession && answerAfterEnd(ctx, app, at);
      const visit = { ...here, ctx, app };
      if ((await admit(visit)) === 'sent away') return;
      const form = await readForm(ctx);
      assertOurForm(ctx, app.config.cookieKeys, csrfSubject(here), form.get('csrf'), at.origin);
      // A token of another page is valid too, but it is no second press of this page's button.
      if (stoodAt(ctx.path, form.get('csrf')) && (await pressedBefore(ctx, app, form, at))) return;
      await page.submit?.(visit, form);
    });
  }
  return router;
}

/** Answers a repeated form of a signed-in user. @param form with a valid token. @returns false for a form that must be processed. */
export async function pressedBefore(ctx: Context, app: App, form: URLSearchParams, at: Door = issuerDoor(app)): Promise<boolean> {
  const answer = await answeredBefore(ctx, app.database, { browser: at.browser(ctx), form });
  if (answer) giveAnswer(ctx, answer);
  return answer !== undefined;
}

async function answerAfterEnd(ctx: Context, app: App, at: Door): Promise<void> {
  if (!ctx.is('application/x-www-form-urlencoded')) return;
  const form = await readForm(ctx);
  const answer = await answerToFirst(ctx, app.database, { browser: at.browser(ctx), form });
  if (answer) giveAnswer(ctx, answer);
}

/** A form is valid for one account in one browser session. A new sign-in of the same user does not invalidate it. */
export const csrfSubject = ({ session, account }: SignedInAt) => `account ${account.id} ${session.uid}`;

/** A parameter of the page's path, as a stranger may write it: `client` of `/developer/clients/:client`. */
export function named({ ctx }: Visit, parameter: string): string {
  return String((ctx['params'] as Record<string, string> | undefined)?.[parameter] ?? '');
}

/** Answers with a page. @param view path below `views/`. @param problem key of the sentence that says why a form changed nothing. */
export function show(visit: Visit, view: string, data: Record<string, unknown> & { problem?: string } = {}): void {
  const { ctx, app } = visit;
  render(
    ctx,
    view,
    {
      csrf: csrfToken(app.config.cookieKeys, csrfSubject(visit), ctx.path),
      done: ctx.query['done'] !== undefined,
      again: ctx.query['again'] !== undefined,
      factorGrace: ctx.state.factorGrace,
      apart: ctx.state.apart,
      ...data,
    },
    data.problem && ctx.method === 'POST' ? 422 : 200,
  );
}

/** Redirects from a form to its page, so that a reload does not repeat it. @param done whether the page reports success. */
export function backTo({ ctx }: Visit, path: string, done = true): void {
  seeOther(ctx, done ? `${path}?done` : path);
}

/** The visit's account and request. */
type Visitor = { ctx: Context; account: Account; app: App };

/** The insert of an audit event for this visit's account. */
export function recordOwnEvent({ ctx, account }: Visitor, type: EventType, more: Pick<AuditEvent, 'clientId' | 'detail'> = {}): Statement {
  return recordEvent(visitorOf(ctx), { type, accountId: account.id, ...more });
}

/** The insert of a mail in the page's language. Empty when the address cannot receive mail. */
export function letter<Name extends LetterName>(
  { ctx, app: { config, keyRing } }: Visitor,
  recipient: string,
  name: Name,
  values: Letters[Name],
): Statement[] {
  if (!isMailAddress(recipient)) return [];
  const occasion = { issuer: config.issuer, visitor: visitorOf(ctx), at: systemClock.now() };
  return [mailLetter(keyRing, recipient, composeLetter(languageOf(ctx), name, { ...values, ...occasion }))];
}

/** The inserts of a mail to the account's own address, about a change that somebody else may have made. See security-letters.ts. */
export function alarm<Name extends Parameters<typeof securityLetter>[1]>(
  { ctx, account, app: { config, keyRing } }: Visitor,
  name: Name,
  change: Change,
  about: About<Name>,
): Statement[] {
  const from = { ctx, issuer: config.issuer, keyRing, account };
  return securityLetter(from, name, change, about);
}

/** Statements as parts of one writeTogether() call. */
export const kept = (statements: Statement[]): Omit<Write, 'subject'>[] => statements.map((statement) => ({ purpose: 'keep', statement }));
