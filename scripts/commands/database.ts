import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Command, UsageError } from '../../src/command-line/command.ts';

/** Owns the commands about the tables: they run scripts/migrate.ts and scripts/seed.ts, which `npm start` and the container image run by themselves. */

export const DATABASE_COMMANDS: readonly Command[] = [
  {
    noun: 'database',
    verb: 'migrate',
    summary: 'Apply the migrations of prisma/migrations that the database lacks',
    run: () => script('migrate.ts'),
  },
  {
    noun: 'database',
    verb: 'create-migration',
    summary: 'Write a migration from prisma/schema.prisma as last committed to how it is now',
    operands: ['NAME'],
    notes: '  Read the migration before you commit it. NAME has small letters, digits and underscores.',
    async run({ operands: [name = ''] }) {
      if (!/^[a-z0-9_]+$/.test(name))
        throw new UsageError(`${JSON.stringify(name)} is no name: write small letters, digits and underscores`);
      return script('migrate.ts', 'create', name);
    },
  },
  {
    noun: 'database',
    verb: 'seed',
    summary: 'Make a demo user, an admin, a demo client and a demo resource server once, and write them to DATA_DIR/demo.json',
    notes: '  With NODE_ENV=production the command refuses.',
    run: () => script('seed.ts'),
  },
];

/** @returns the exit code of the script. It writes to the terminal itself. */
function script(name: string, ...args: string[]): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', name), ...args], { stdio: 'inherit' });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => done(code ?? 1));
  });
}
