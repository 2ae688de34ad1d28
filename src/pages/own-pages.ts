import Router from '@koa/router';
import type { Context } from 'koa';
import { type AuditEvent, auditEvent, type EventType } from '../audit/events.ts';
import { assertOurForm, csrfToken, stoodAt } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import { giveAnswer } from '../http/kept-answers.ts';
import { languageOf } from '../http/language.ts';
import { composeLetter, type LetterName, type Letters } from '../http/letters.ts';
import { answeredBefore, answerToFirst } from '../http/presses.ts';
import { render } from '../http/render.ts';
import { seeOther } from '../http/see-other.ts';
import { visitorOf } from '../http/visitor.ts';
import type { ProtocolFeature } from '../oauth/feature.ts';
import type { ResourceServer } from '../oauth/scopes/resource-servers.ts';
import { hearOfWrites, type Write } from '../oauth/store/unit-of-work.ts';
import type { Change } from '../people/not-me.ts';
import { type About, securityLetter } from '../people/security-letters.ts';
import type { Account } from '../people/store.ts';
import { MINUTE, systemClock } from '../platform/clock.ts';
import type { Statement } from '../platform/database.ts';
import { isMailAddress, mailLetter } from '../platform/mail.ts';
import { KeyRing } from '../platform/secrets.ts';
import { type Door, issuerDoor, type SignedInAt } from './door.ts';
import type { PagesFeature } from './feature.ts';
import type { FirstParty } from './first-party.ts';

/**
 * The vocabulary of our own pages: account, developer, admin. Each is shown to who signed in, and changed by who did so a moment ago with a
 * form of ours. Who that is, is the door's to say (door.ts).
 */

export type OwnServices = FirstParty & {
  resourceServers: readonly ResourceServer[];
  keyRing: KeyRing;
  features: readonly (PagesFeature & Pick<ProtocolFeature, 'reservedPrefixes'>)[];
};

/** A request of somebody who is signed in, and may do what the page does. */
export type Visit = SignedInAt & { ctx: Context; services: OwnServices };

/** `sent away`: the answer is written, and leads elsewhere. */
export type Admission = 'sent away' | undefined;

export type OwnPage = {
  show(visit: Visit): Promise<void>;
  /** Answers the page's form, once it is certain that the form was ours. */
  submit?(visit: Visit, form: URLSearchParams): Promise<void>;
  /** It is shown to whoever signed in a moment ago: it has fields to fill in, which signing in later would lose. */
  recent?: true;
  /** Its form may end the session that it was sent in. A second press is then answered like the first, and not by the sign-in page. */
  endsSession?: true;
};

// Nothing is changed by whoever finds a browser open: a change takes a sign-in of a moment ago. A form that was shown in time may be filled in at leisure.
export const RECENT_SECONDS = 5 * MINUTE;
export const TO_FILL_IN_SECONDS = 10 * MINUTE;

/**
 * @param pages by path, as @koa/router writes it; the first that fits answers.
 * @param at the door that they stand behind; the issuer's, unless given.
 * @param admit throws for somebody who has no business there, and may send the browser away. A person signs in before it is asked: what there is, is no stranger's to find out.
 */
export function ownPages(
  pages: Record<string, OwnPage>,
  services: OwnServices,
  admit: (visit: Visit) => Promise<Admission> = async () => undefined,
  at: Door = issuerDoor(services),
): Router {
  const router = new Router();
  for (const [path, page] of Object.entries(pages)) {
    router.get(path, async (ctx) => {
      const here = await at.enter(ctx, page.recent ? { maxAgeSeconds: RECENT_SECONDS } : {});
      if (!here) return;
      const visit = { ...here, ctx, services };
      if ((await admit(visit)) === 'sent away') return;
      await page.show(visit);
    });
    router.post(path, async (ctx) => {
      const here = await at.enter(ctx, { maxAgeSeconds: RECENT_SECONDS + (page.recent ? TO_FILL_IN_SECONDS : 0) });
      if (!here) return page.endsSession && answerAfterEnd(ctx, services, at);
      const visit = { ...here, ctx, services };
      if ((await admit(visit)) === 'sent away') return;
      const form = await readForm(ctx);
      assertOurForm(ctx, services.config.cookieKeys, csrfSubject(here), form.get('csrf'), at.origin);
      // A token of another page is ours all the same, but it is no second press of this page's button.
      if (stoodAt(ctx.path, form.get('csrf')) && (await pressedBefore(ctx, services, form, at))) return;
      await page.submit?.(visit, form);
    });
  }
  return router;
}

/** Answers a form of a signed-in person that is sent a second time. @param form known to be ours. @returns false for one that is to be acted on. */
export async function pressedBefore(
  ctx: Context,
  services: FirstParty,
  form: URLSearchParams,
  at: Door = issuerDoor(services),
): Promise<boolean> {
  hearOfWrites(() => Object.assign(ctx.state, { pressChanged: true }));
  const answer = await answeredBefore(ctx, services.database, { browser: at.browser(ctx), form });
  if (answer) giveAnswer(ctx, answer);
  return answer !== undefined;
}

async function answerAfterEnd(ctx: Context, services: FirstParty, at: Door): Promise<void> {
  if (!ctx.is('application/x-www-form-urlencoded')) return;
  const form = await readForm(ctx);
  const answer = await answerToFirst(ctx, services.database, { browser: at.browser(ctx), form });
  if (answer) giveAnswer(ctx, answer);
}

/** A form fits one browser's session, whoever is signed in there; it outlives a new sign-in of the same person. */
export const csrfSubject = ({ session, account }: SignedInAt) => `account ${account.id} ${session.uid}`;

/** What the page's address names, as a stranger may write it: `client` of `/developer/clients/:client`. */
export function named({ ctx }: Visit, parameter: string): string {
  return String((ctx['params'] as Record<string, string> | undefined)?.[parameter] ?? '');
}

/** Answers with a page. @param view path below `views/`. @param problem key of the sentence that says why a form changed nothing. */
export function show(visit: Visit, view: string, data: Record<string, unknown> & { problem?: string } = {}): void {
  const { ctx, services } = visit;
  render(
    ctx,
    view,
    {
      csrf: csrfToken(services.config.cookieKeys, csrfSubject(visit), ctx.path),
      done: ctx.query['done'] !== undefined,
      again: ctx.query['again'] !== undefined,
      factorGrace: ctx.state.factorGrace,
      apart: ctx.state.apart,
      ...data,
    },
    data.problem && ctx.method === 'POST' ? 422 : 200,
  );
}

/** Leads from a form to its page, so that a reload sends nothing twice. @param done whether to say that it is done. */
export function backTo({ ctx }: Visit, path: string, done = true): void {
  seeOther(ctx, done ? `${path}?done` : path);
}

/** Whose visit it is, and from where. */
type Visitor = { ctx: Context; account: Account; services: FirstParty };

/** The writing of an event of this visit's account. */
export function told({ ctx, account }: Visitor, type: EventType, more: Pick<AuditEvent, 'clientId' | 'detail'> = {}): Statement {
  return auditEvent(visitorOf(ctx), { type, accountId: account.id, ...more });
}

/** The writing of a letter, in the language of the page that it is written from. None, to what mail cannot be sent to. */
export function letter<Name extends LetterName>(
  { ctx, services: { config } }: Visitor,
  recipient: string,
  name: Name,
  values: Letters[Name],
): Statement[] {
  if (!isMailAddress(recipient)) return [];
  const occasion = { issuer: config.issuer, visitor: visitorOf(ctx), at: systemClock.now() };
  return [mailLetter(new KeyRing(config.dataEncryptionKeys), recipient, composeLetter(languageOf(ctx), name, { ...values, ...occasion }))];
}

/** The writing of a letter to the account's own address, about a change that somebody else may have made. See security-letters.ts. */
export function alarm<Name extends Parameters<typeof securityLetter>[1]>(
  { ctx, account, services: { config } }: Visitor,
  name: Name,
  change: Change,
  about: About<Name>,
): Statement[] {
  const from = { ctx, issuer: config.issuer, keyRing: new KeyRing(config.dataEncryptionKeys), account };
  return securityLetter(from, name, change, about);
}

/** Statements as parts of what writeTogether() makes at once. */
export const kept = (statements: Statement[]): Omit<Write, 'subject'>[] => statements.map((statement) => ({ purpose: 'keep', statement }));
