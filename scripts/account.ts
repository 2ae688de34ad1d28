import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { disableAccount } from '../src/accounts/store.ts';
import { readConfig } from '../src/platform/config.ts';
import { openDatabase } from '../src/platform/database.ts';
import { createLog } from '../src/platform/log.ts';
import { endAccount } from '../src/protocol-store/grants.ts';

const HELP = `Usage: node scripts/account.ts disable EMAIL [--yes]

  disable EMAIL  keeps a person from signing in, and ends their sessions, grants and tokens at once

  --yes          does not ask first
  --help         shows this
`;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' }, yes: { type: 'boolean' } } });
const [command, email] = positionals;

if (values.help) process.stdout.write(HELP);
else if (command !== 'disable' || !email) {
  process.stderr.write(HELP);
  process.exitCode = 1;
} else {
  try {
    process.exitCode = (await confirmed(`Disable ${email} and end everything that is open under it?`)) ? await disable(email) : 1;
  } catch (error) {
    console.error(`account: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

async function disable(address: string): Promise<number> {
  const database = openDatabase(readConfig().databaseUrl, createLog('silent'));
  try {
    // Together: an account that is disabled has nothing open, at no moment.
    const found = await database.prisma.$transaction(async (transaction) => {
      const id = await disableAccount(transaction, address);
      if (id !== undefined) await transaction.$executeRaw(endAccount(id));
      return id !== undefined;
    });
    console.log(found ? `${address} is disabled, and all that was open under it has ended` : `there is no account ${address}`);
    return found ? 0 : 1;
  } finally {
    await database.close();
  }
}

async function confirmed(question: string): Promise<boolean> {
  if (values.yes) return true;
  if (!process.stdin.isTTY) throw new Error('nobody is there to ask: add --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [y/N] `).finally(() => terminal.close());
  return /^y(es)?$/i.test(answer);
}
