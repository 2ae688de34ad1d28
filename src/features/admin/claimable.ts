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
 * Owns the creation of an account by an operator. It has no password, since only its user may know one. The user gets a mail with the link
 * of a proof and chooses a password there. Until then, nobody can sign in to the account.
 */

export type NewAccount = { email: string; name: string; role: Role; language: Language };

/**
 * @param wish an address from normalizeEmail() and a name from tidyName(). @param from the operator's visit, which the mail mentions.
 * @returns the account's id, and the statements that store it with its mail. @throws (from `statements`) a unique violation (23505) when
 * the address is taken.
 */
export function accountToClaim(
  { issuer, keyRing, from }: { issuer: string; keyRing: KeyRing; from: Visitor },
  { email, name, role, language }: NewAccount,
): { id: string; statements: Statement[] } {
  const id = timeOrderedId();
  const { secret, statement } = newProof(keyRing, { purpose: 'reset_password', email, accountId: id, told: true });
  const letter = composeLetter(language, 'account_made', {
    // No interaction waits for this proof: its page works in any browser.
    link: `${issuer}/interaction/made/reset/link?token=${secret}`,
    minutes: PROOF_MINUTES,
    person: email,
    issuer,
    visitor: from,
    at: systemClock.now(),
  });
  return { id, statements: [insertAccountToClaim({ id, email, name, role }), statement, mailLetter(keyRing, email, letter)] };
}
