import type { Context } from 'koa';
import { type AuditEvent, auditEvent } from '../audit/events.ts';
import { LANGUAGES, type Language, languageOf, supported } from '../http/language.ts';
import { composeLetter, type LetterName, type Letters } from '../http/letters.ts';
import { visitorOf } from '../http/visitor.ts';
import { write } from '../oauth/store/unit-of-work.ts';
import type { Change } from '../people/not-me.ts';
import { type About, securityLetter } from '../people/security-letters.ts';
import type { Account } from '../people/store.ts';
import { systemClock } from '../platform/clock.ts';
import type { Statement } from '../platform/database.ts';
import { mailLetter } from '../platform/mail.ts';
import type { Services } from './step.ts';

/** Owns the writing down, along with what a step does, of that it was done: in the record, and to the person. */

type Here = { ctx: Context; services: Services };

/** Records an event in the request's unit of work, and counts the sign-ins among them. */
export async function note({ ctx, services }: Here, event: AuditEvent): Promise<void> {
  if (event.type === 'signed_in') services.counts.add('sign_in', String(event.detail?.['method']));
  if (event.type === 'sign_in_failed') services.counts.add('sign_in_failed', event.detail?.['provider'] ? 'upstream' : 'password');
  const subject = `event ${event.type} ${event.accountId}`;
  await write(services.database, { purpose: 'keep', subject, statement: auditEvent(visitorOf(ctx), event) });
}

/** Mails a letter, in the request's unit of work. @param locale the language of an account, where it has chosen one; the page's otherwise. */
export async function send<Name extends LetterName>(
  here: Here,
  recipient: string,
  name: Name,
  values: Letters[Name],
  locale?: string | null,
): Promise<void> {
  const statement = letterTo(here, recipient, name, values, locale);
  await write(here.services.database, { purpose: 'keep', subject: `mail ${name} ${recipient}`, statement });
}

/** The writing of a letter, for what is written together with it. */
export function letterTo<Name extends LetterName>(
  { ctx, services: { config, keyRing } }: Here,
  recipient: string,
  name: Name,
  values: Letters[Name],
  locale?: string | null,
): Statement {
  const language = LANGUAGES.find((known): known is Language => known === locale) ?? languageOf(ctx);
  return mailLetter(
    keyRing,
    recipient,
    composeLetter(language, name, { ...values, issuer: config.issuer, visitor: visitorOf(ctx), at: systemClock.now() }),
  );
}

/** The writing of a letter to an account about a change that somebody else may have made, in the language that the account has chosen. */
export function alarmTo<Name extends Parameters<typeof securityLetter>[1]>(
  { ctx, services: { config, keyRing } }: Here,
  account: Account,
  name: Name,
  change: Change,
  about: About<Name>,
): Statement[] {
  const language = supported(account.locale ?? '');
  return securityLetter({ ctx, issuer: config.issuer, keyRing, account, language }, name, change, about);
}
