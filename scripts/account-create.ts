import { createPerson } from '../src/features/admin/acts/people.ts';
import type { NewAccount } from '../src/features/admin/claimable.ts';
import { emailProblem, normalizeEmail } from '../src/people/email-address.ts';
import { nameFault, tidyName } from '../src/people/names.ts';
import { PROOF_MINUTES } from '../src/people/proofs.ts';
import { readConfig } from '../src/platform/config.ts';
import { performAsOperator, resultOf, UsageError, withDatabase } from './command.ts';

/** Owns what an operator is told who makes an account: see features/admin/acts/people.ts. */

export async function create(wish: NewAccount): Promise<number> {
  const [email, name] = [normalizeEmail(wish.email), tidyName(wish.name)];
  if (emailProblem(email)) throw new UsageError(`${JSON.stringify(wish.email)} is no address that mail can be sent to`);
  if (nameFault(name))
    throw new UsageError('--name takes what people are called: 100 characters or fewer, without control, bidirectional or invisible ones');
  const config = readConfig();
  return withDatabase(async (database) => {
    const outcome = await performAsOperator(database, createPerson, { input: { ...wish, email, name } });
    if (!outcome.ok && outcome.reason === 'taken') return taken(email);
    resultOf(outcome, email);
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
