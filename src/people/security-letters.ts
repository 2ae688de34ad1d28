import type { Context } from 'koa';
import { type Language, languageOf } from '../http/language.ts';
import { composeLetter, type LetterName, type Letters } from '../http/letters.ts';
import { visitorOf } from '../http/visitor.ts';
import { systemClock } from '../platform/clock.ts';
import type { Statement } from '../platform/database.ts';
import { isMailAddress, mailLetter } from '../platform/mail.ts';
import type { KeyRing } from '../platform/secrets.ts';
import { type Change, NOT_ME_PATH, newNotMeLink } from './not-me.ts';
import type { Account } from './store.ts';

/**
 * Owns mails about a change that somebody else may have made. Each goes to the account's address from before the change, with a link "this
 * was not me". features/account/not-me.ts says what the link does.
 */

type SecurityLetter = { [Name in LetterName]: Letters[Name] extends { notMe: string } ? Name : never }[LetterName];

/** @param language the page's language by default. */
type From = {
  ctx: Context;
  issuer: string;
  keyRing: KeyRing;
  account: Pick<Account, 'id' | 'email' | 'name'>;
  language?: Language | undefined;
};

/** Values of a mail, except those that all of them share. */
export type About<Name extends SecurityLetter> = Omit<Letters[Name], 'person' | 'notMe'>;

/** The inserts of a mail and of its link, to run in the transaction of the change. Empty when the address cannot receive mail. */
export function securityLetter<Name extends SecurityLetter>(
  { ctx, issuer, keyRing, account, language = languageOf(ctx) }: From,
  name: Name,
  change: Change,
  about: About<Name>,
): Statement[] {
  if (!isMailAddress(account.email)) return [];
  const { secret, statement } = newNotMeLink({ accountId: account.id, change, email: account.email });
  const values = {
    ...about,
    person: account.name,
    notMe: `${issuer}${NOT_ME_PATH}?token=${secret}`,
    issuer,
    visitor: visitorOf(ctx),
    at: systemClock.now(),
  } as unknown as Parameters<typeof composeLetter<Name>>[2];
  return [statement, mailLetter(keyRing, account.email, composeLetter(language, name, values))];
}
