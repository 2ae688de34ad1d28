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
 * Owns letters about a change that somebody else may have made: each goes to the address that the account has before the change, and carries a link
 * "this was not me" to it. What the link does: features/account/not-me.ts.
 */

type SecurityLetter = { [Name in LetterName]: Letters[Name] extends { notMe: string } ? Name : never }[LetterName];

/** @param language of the page, unless given. */
type From = {
  ctx: Context;
  issuer: string;
  keyRing: KeyRing;
  account: Pick<Account, 'id' | 'email' | 'name'>;
  language?: Language | undefined;
};

/** Values of a letter, without what every one of them has. */
export type About<Name extends SecurityLetter> = Omit<Letters[Name], 'person' | 'notMe'>;

/** The writing of a letter and of its link, to be run in the transaction of the change. None, to what mail cannot be sent to. */
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
