import type { Context } from 'koa';
import { auditEvent, type EventType } from '../audit/events.ts';
import type { FirstParty, SignedIn } from '../authorization-server/first-party.ts';
import type { ResourceServer } from '../clients/resource-servers.ts';
import { csrfToken } from '../http/csrf.ts';
import { languageOf } from '../http/language.ts';
import { composeLetter, type LetterName, type Letters } from '../http/letters.ts';
import { render } from '../http/render.ts';
import { visitorOf } from '../http/visitor.ts';
import type { Statement } from '../platform/database.ts';
import { isMailAddress, mailLetter } from '../platform/mail.ts';
import type { KeyRing } from '../platform/secrets.ts';
import type { Write } from '../protocol-store/unit-of-work.ts';

/** The vocabulary of the account's pages. */

export type Services = FirstParty & { resourceServers: ResourceServer[]; keyRing: KeyRing };

/** A request of somebody who is signed in, and may do what the page does. */
export type Visit = SignedIn & { ctx: Context; services: Services };

export type AccountPage = {
  show(visit: Visit): Promise<void>;
  /** Answers the page's form, once it is certain that the form was ours. */
  submit?(visit: Visit, form: URLSearchParams): Promise<void>;
  /** It is shown to whoever signed in a moment ago: it has fields to fill in, which signing in later would lose. */
  recent?: true;
};

/** A form fits one browser's session, whoever is signed in there; it outlives a new sign-in of the same person. */
export const csrfSubject = ({ session, account }: SignedIn) => `account ${account.id} ${session.uid}`;

/** Answers with a page of the account. @param problem key of the sentence that says why a form changed nothing. */
export function show(visit: Visit, view: string, data: Record<string, unknown> & { problem?: string } = {}): void {
  const { ctx, services } = visit;
  render(
    ctx,
    `account/${view}`,
    {
      csrf: csrfToken(services.config.cookieKeys, csrfSubject(visit)),
      done: ctx.query['done'] !== undefined,
      again: ctx.query['again'] !== undefined,
      ...data,
    },
    data.problem ? 422 : 200,
  );
}

/** Leads from a form to its page, so that a reload sends nothing twice. @param done whether to say that it is done. */
export function backTo({ ctx }: Visit, path: string, done = true): void {
  ctx.redirect(done ? `${path}?done` : path);
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}

/** The writing of an event of this visit's account. */
export function told(
  { ctx, account }: Visit,
  type: EventType,
  more: { clientId?: string; detail?: Record<string, string[]> } = {},
): Statement {
  return auditEvent(visitorOf(ctx), { type, accountId: account.id, ...more });
}

/** The writing of a letter, in the language of the page that it is written from. None, to what mail cannot be sent to. */
export function letter<Name extends LetterName>(
  { ctx, services }: Visit,
  recipient: string,
  name: Name,
  values: Letters[Name],
): Omit<Write, 'subject'>[] {
  if (!isMailAddress(recipient)) return [];
  const occasion = { issuer: services.config.issuer, visitor: visitorOf(ctx), at: new Date() };
  const statement = mailLetter(services.keyRing, recipient, composeLetter(languageOf(ctx), name, { ...values, ...occasion }));
  return [{ purpose: 'keep', statement }];
}
