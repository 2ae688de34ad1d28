import { parseArgs } from 'node:util';
import { disableAccount, normalizeEmail } from '../src/accounts/store.ts';
import { auditEvent } from '../src/audit/events.ts';
import { removeFactors } from '../src/factors/store.ts';
import type { Database } from '../src/platform/database.ts';
import { endAccount } from '../src/protocol-store/grants.ts';
import { confirmed, runCommand, UsageError, withDatabase } from './command.ts';

const HELP = `Usage: node scripts/account.ts disable|remove-factors EMAIL [--yes]

  disable EMAIL         keeps a person from signing in, and ends their sessions, grants and tokens at once
  remove-factors EMAIL  for a person who has lost theirs, and who it is you are sure of: takes passkeys, authenticator app and
                        recovery codes away, and ends what is open. The password signs in alone again; without one, a reset does

  --yes                 does not ask first
  --help                shows this
`;

type Act = { question: string; done: string; run(database: Database, address: string): Promise<boolean> };

const ACTS: Record<string, Act> = {
  disable: {
    question: 'Keep EMAIL from signing in, and end everything that is open under it?',
    done: 'EMAIL is disabled, and all that was open under it has ended',
    // Together: an account that is disabled has nothing open, at no moment.
    run: (database, address) =>
      database.prisma.$transaction(async (transaction) => {
        const id = await disableAccount(transaction, address);
        if (id !== undefined) await transaction.$executeRaw(endAccount(id));
        return id !== undefined;
      }),
  },
  'remove-factors': {
    question: 'Take all factors of EMAIL away, and end everything that is open under it?',
    done: 'EMAIL has no factors any more, and all that was open under it has ended',
    async run(database, address) {
      const account = await database.prisma.user.findUnique({ where: { email: normalizeEmail(address) }, select: { id: true } });
      if (!account) return false;
      const operator = { address: '', browser: undefined, requestId: 'operator' };
      const told = auditEvent(operator, { type: 'factors_removed', accountId: account.id });
      await database.transaction([removeFactors(account.id), endAccount(account.id), told]);
      return true;
    },
  },
};

await runCommand('account', HELP, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' }, yes: { type: 'boolean' } } });
  const [command = '', email, ...more] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const act = Object.hasOwn(ACTS, command) ? ACTS[command] : undefined;
  if (!act || !email || more.length) throw new UsageError('say what to do, and to whom');
  if (!(await confirmed(act.question.replace('EMAIL', email), values.yes))) return 1;
  const found = await withDatabase((database) => act.run(database, email));
  console.log(found ? act.done.replace('EMAIL', email) : `there is no account ${email}`);
  return found ? 0 : 1;
});
