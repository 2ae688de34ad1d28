import { parseArgs } from 'node:util';
import { disableAccount } from '../src/accounts/store.ts';
import { endAccount } from '../src/protocol-store/grants.ts';
import { confirmed, runCommand, UsageError, withDatabase } from './command.ts';

const HELP = `Usage: node scripts/account.ts disable EMAIL [--yes]

  disable EMAIL  keeps a person from signing in, and ends their sessions, grants and tokens at once

  --yes          does not ask first
  --help         shows this
`;

await runCommand('account', HELP, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' }, yes: { type: 'boolean' } } });
  const [command, email, ...more] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (command !== 'disable' || !email || more.length) throw new UsageError('say whom to disable');
  if (!(await confirmed(`Disable ${email} and end everything that is open under it?`, values.yes))) return 1;
  return disable(email);
});

async function disable(address: string): Promise<number> {
  // Together: an account that is disabled has nothing open, at no moment.
  const found = await withDatabase((database) =>
    database.prisma.$transaction(async (transaction) => {
      const id = await disableAccount(transaction, address);
      if (id !== undefined) await transaction.$executeRaw(endAccount(id));
      return id !== undefined;
    }),
  );
  console.log(found ? `${address} is disabled, and all that was open under it has ended` : `there is no account ${address}`);
  return found ? 0 : 1;
}
