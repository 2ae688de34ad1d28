import { findAccountRecord, insertAccountToClaim } from '../src/accounts/administration.ts';
import { nameFault, tidyName } from '../src/accounts/names.ts';
import { newProof, PROOF_MINUTES } from '../src/accounts/proofs.ts';
import type { Role } from '../src/accounts/roles.ts';
import { emailProblem } from '../src/accounts/sign-up.ts';
import { normalizeEmail } from '../src/accounts/store.ts';
import { auditEvent } from '../src/audit/events.ts';
import type { Language } from '../src/http/language.ts';
import { composeLetter } from '../src/http/letters.ts';
import { readConfig } from '../src/platform/config.ts';
import { sqlState } from '../src/platform/database.ts';
import { mailLetter } from '../src/platform/mail.ts';
import { KeyRing, timeOrderedId } from '../src/platform/secrets.ts';
import { OPERATOR, UsageError, withDatabase } from './command.ts';

/**
 * Owns how an operator makes an account: without a password, which nobody but its person is to know. They are sent the link of a proof, by
 * which they choose one; until then nobody can sign in with it.
 */

const UNIQUE_VIOLATION = '23505';

export type NewAccount = { email: string; name: string; role: Role; language: Language };

export async function create(wish: NewAccount): Promise<number> {
  const [email, name] = [normalizeEmail(wish.email), tidyName(wish.name)];
  if (emailProblem(email)) throw new UsageError(`${JSON.stringify(wish.email)} is no address that mail can be sent to`);
  if (nameFault(name))
    throw new UsageError('--name takes what people are called: 100 characters or fewer, without control or bidirectional ones');
  const config = readConfig();
  const keyRing = new KeyRing(config.dataEncryptionKeys);
  const id = timeOrderedId();
  const { secret, statement } = newProof(keyRing, { purpose: 'reset_password', email, accountId: id, told: true });
  const letter = composeLetter(wish.language, 'account_made', {
    // No interaction waits for it: the page stands for itself, in whatever browser.
    link: `${config.issuer}/interaction/made/reset/link?token=${secret}`,
    minutes: PROOF_MINUTES,
    person: email,
    issuer: config.issuer,
    visitor: OPERATOR,
    at: new Date(),
  });
  return withDatabase(async (database) => {
    if (await findAccountRecord(database, email)) return taken(email);
    try {
      await database.transaction([
        insertAccountToClaim({ id, email, name, role: wish.role }),
        statement,
        mailLetter(keyRing, email, letter),
        auditEvent(OPERATOR, { type: 'account_made', accountId: id, detail: { role: wish.role } }),
      ]);
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION && (await findAccountRecord(database, email))) return taken(email);
      throw error;
    }
    console.log(`${email} has an account${wish.role === 'admin' ? ', and is an admin' : ''}. A mail is on its way with a link to choose a password, which works for
${PROOF_MINUTES} minutes; after that, the sign-in page at ${config.issuer}/account sends another.`);
    if (!config.smtpUrl) console.log('SMTP_URL is not set: the mail can be read at /dev/mail, in development alone.');
    return 0;
  });
}

function taken(email: string): number {
  console.log(`there is an account ${email} already`);
  return 1;
}
