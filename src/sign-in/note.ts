import type { Context } from 'koa';
import { type AuditEvent, recordEvent } from '../audit/events.ts';
import { LANGUAGES, type Language, languageOf, supported } from '../http/language.ts';
import { composeLetter, type LetterName, type Letters } from '../http/letters.ts';
import { visitorOf } from '../http/visitor.ts';
import type { App } from '../oauth/app.ts';
import { write } from '../oauth/store/unit-of-work.ts';
import type { Change } from '../people/not-me.ts';
import { type About, securityLetter } from '../people/security-letters.ts';
import type { Account } from '../people/store.ts';
import { systemClock } from '../platform/clock.ts';
import type { Statement } from '../platform/database.ts';
import { mailLetter } from '../platform/mail.ts';
import type { SignInFeature } from './feature.ts';

/** Owns the audit event and the mail about what a step did, both written together with the step. */

type Here = { ctx: Context; app: App<SignInFeature> };

/** Records an audit event in the request's unit of work and counts sign-ins. */
export async function recordStepEvent({ ctx, app }: Here, event: AuditEvent): Promise<void> {
  if (event.type === 'signed_in') app.counts.add('sign_in', String(event.detail?.['method']));
  if (event.type === 'sign_in_failed') app.counts.add('sign_in_failed', event.detail?.['provider'] ? 'upstream' : 'password');
  const subject = `event ${event.type} ${event.accountId}`;
  await write(app.database, { purpose: 'keep', subject, statement: recordEvent(visitorOf(ctx), event) });
}

/** Sends a mail in the request's unit of work. @param locale the account's language; without one, the page's language. */
export async function send<Name extends LetterName>(
  here: Here,
  recipient: string,
  name: Name,
  values: Letters[Name],
  locale?: string | null,
): Promise<void> {
  const statement = letterTo(here, recipient, name, values, locale);
  await write(here.app.database, { purpose: 'keep', subject: `mail ${name} ${recipient}`, statement });
}

/** @returns the statement that sends a mail, to write together with others. */
export function letterTo<Name extends LetterName>(
  { ctx, app: { config, keyRing } }: Here,
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

/** @returns the statements that mail an account about a change that an attacker may have made, in the account's language. */
export function alarmTo<Name extends Parameters<typeof securityLetter>[1]>(
  { ctx, app: { config, keyRing } }: Here,
  account: Account,
  name: Name,
  change: Change,
  about: About<Name>,
): Statement[] {
  const language = supported(account.locale ?? '');
  return securityLetter({ ctx, issuer: config.issuer, keyRing, account, language }, name, change, about);
}
