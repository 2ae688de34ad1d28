import type { Command } from '../src/command-line/command.ts';
import { KERNEL_COMMANDS } from '../src/command-line/commands/kernel.ts';
import { commandsOf } from '../src/command-line/routes.ts';
import { runCommandLine } from '../src/command-line/run.ts';
import { FEATURES, SEALED_COLUMNS } from '../src/features.ts';
import { DATABASE_COMMANDS } from './commands/database.ts';
import { DESCRIBE_CLIENT } from './commands/describe-client.ts';
import { END_WITH_CLIENTS } from './commands/end-with-clients.ts';

/** The table of every command: from the routes of the admin API, from the kernel, from the features, and those that join several of them. */
export async function allCommands(): Promise<Command[]> {
  const routes = FEATURES.flatMap(({ administration }) => administration?.routes ?? []);
  const ofFeatures = await Promise.all(FEATURES.map((feature) => feature.commands?.() ?? []));
  return [...commandsOf(routes), ...KERNEL_COMMANDS, ...ofFeatures.flat(), ...DATABASE_COMMANDS, DESCRIBE_CLIENT, END_WITH_CLIENTS];
}

/** With DATABASE_URL there is nothing to find or start. With NODE_ENV=production the variable is required, and the command says so. */
function withDatabaseFor(env: NodeJS.ProcessEnv) {
  if (env['DATABASE_URL'] || env['DATABASE_URL_FILE'] || env['NODE_ENV'] === 'production') return (work: () => Promise<number>) => work();
  return async (work: () => Promise<number>) => (await import('./commands/embedded-database.ts')).withEmbeddedDatabase(work);
}

/** @param argv a noun, a verb and what follows. The exit code becomes that of the process. */
export async function main(argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  process.exitCode = await runCommandLine(await allCommands(), argv, {
    environment: process.env,
    installed: { features: FEATURES, sealedColumns: SEALED_COLUMNS },
    withDatabase: withDatabaseFor(process.env),
  });
}

if (import.meta.main) await main();
