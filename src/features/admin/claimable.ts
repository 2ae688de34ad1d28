import type { Language } from '../../http/language.ts';
import { composeLetter } from '../../http/letters.ts';
import type { Visitor } from '../../http/visitor.ts';
import { insertAccountToClaim } from '../../people/administration.ts';
import { newProof, PROOF_MINUTES } from '../../people/proofs.ts';
import type { Role } from '../../people/roles.ts';
import { systemClock } from '../../platform/clock.ts';
import type { Statement } from '../../platform/database.ts';
import { mailLetter } from '../../platform/mail.ts';
import { type KeyRing, timeOrderedId } from '../../platform/secrets.ts';

/**
 * Owns how an operator makes an account: without a password, which nobody but its person is to know. They are sent the link of a proof, by
 * which they choose one; until then nobody can sign in with it.
 */

export type NewAccount = { email: string; name: string; role: Role; language: Language };

/**
 * @param wish an address as normalizeEmail() has it, and a name as tidyName() does. @param from who makes it, for the letter to say.
 * @returns the account's id, and the writing of it with its letter. @throws of `statements` a unique violation (23505) when the address is taken.
 */
export function accountToClaim(
  { issuer, keyRing, from }: { issuer: string; keyRing: KeyRing; from: Visitor },
  { email, name, role, language }: NewAccount,
): { id: string; statements: Statement[] } {
  const id = timeOrderedId();
  const { secret, statement } = newProof(keyRing, { purpose: 'reset_password', email, accountId: id, told: true });
  const letter = composeLetter(language, 'account_made', {
    // No interaction waits for it: the page stands for itself, in whatever browser.
    link: `${issuer}/interaction/made/reset/link?token=${secret}`,
    minutes: PROOF_MINUTES,
    person: email,
    issuer,
    visitor: from,
    at: systemClock.now(),
  });
  return { id, statements: [insertAccountToClaim({ id, email, name, role }), statement, mailLetter(keyRing, email, letter)] };
}
