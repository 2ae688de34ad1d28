import { findAccountRecord } from '../src/accounts/administration.ts';
import { accountToClaim, type NewAccount } from '../src/accounts/claimable.ts';
import { nameFault, tidyName } from '../src/accounts/names.ts';
import { PROOF_MINUTES } from '../src/accounts/proofs.ts';
import { emailProblem } from '../src/accounts/sign-up.ts';
import { normalizeEmail } from '../src/accounts/store.ts';
import { auditEvent } from '../src/audit/events.ts';
import { readConfig } from '../src/platform/config.ts';
import { sqlState } from '../src/platform/database.ts';
import { KeyRing } from '../src/platform/secrets.ts';
import { OPERATOR, UsageError, withDatabase } from './command.ts';

/** Owns what an operator is told who makes an account: see accounts/claimable.ts. */

const UNIQUE_VIOLATION = '23505';

export async function create(wish: NewAccount): Promise<number> {
  const [email, name] = [normalizeEmail(wish.email), tidyName(wish.name)];
  if (emailProblem(email)) throw new UsageError(`${JSON.stringify(wish.email)} is no address that mail can be sent to`);
  if (nameFault(name))
    throw new UsageError('--name takes what people are called: 100 characters or fewer, without control or bidirectional ones');
  const config = readConfig();
  const keyRing = new KeyRing(config.dataEncryptionKeys);
  const { id, statements } = accountToClaim({ issuer: config.issuer, keyRing, from: OPERATOR }, { ...wish, email, name });
  return withDatabase(async (database) => {
    if (await findAccountRecord(database, email)) return taken(email);
    try {
      await database.transaction([
        ...statements,
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
