import { createCounts, keepCountsWritten } from './audit/counts.ts';
import { FEATURES } from './features.ts';
import { keepPruned } from './oauth/store/prune.ts';
import { type Config, ConfigError, readConfig } from './platform/config.ts';
import { isUnavailable, openDatabase } from './platform/database.ts';
import { assertLimited, onceDatabaseAnswers, whyUnavailable } from './platform/database-start.ts';
import { createLog, type Log } from './platform/log.ts';
import { keepMailSent } from './platform/mail-sender.ts';
import { openRelay } from './platform/smtp.ts';
import { everyFewSeconds } from './platform/write-behind.ts';
import { startServer } from './server.ts';
import { superviseWorkers, workerId } from './workers.ts';

/**
 * Reads the configuration, opens the database and listens; a signal reverses this. With WEB_CONCURRENCY above one, starts that many workers
 * instead.
 */

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(whyItCannotStart(error));
    process.exit(1);
  }
}

/** Runs until SIGINT or SIGTERM. @returns once the server listens. @throws errors that whyItCannotStart() describes. */
export async function main(): Promise<void> {
  const config = readConfig();
  const log = createLog(config.logLevel);
  if (config.workers > 1 && workerId === undefined) return superviseWorkers(config.workers, log);
  await serve(config, workerId === undefined ? log : log.child({ worker: workerId }));
}

async function serve(config: Config, log: Log): Promise<void> {
  const database = openDatabase(config.databaseUrl, log, config.databaseDirectUrl);
  await onceDatabaseAnswers(() => database.ping(), { log, waitSeconds: config.databaseWaitSeconds });
  await assertLimited(database);
  const counts = createCounts();
  const server = await startServer({ config, database, log, counts });

  const counting = keepCountsWritten({ counts, database, log });
  const recording = everyFewSeconds(server.write);
  const pruning = keepPruned(database, log);
  const { keyRing } = server;
  const tasks = FEATURES.flatMap((feature) => feature.tasks?.({ config, database, keyRing, log, features: FEATURES }) ?? []);
  const mailing = config.smtpUrl
    ? keepMailSent({
        database,
        keyRing,
        relay: openRelay(config.smtpUrl, config.mailFrom),
        log,
        keepsText: config.environment === 'development',
      })
    : undefined;
  let stopping = false;
  const hurry = new AbortController();
  const stop = async (signal: string) => {
    // An orchestrator sends SIGTERM. A keyboard sends SIGINT, and then no balancer needs time to notice.
    if (stopping || signal === 'SIGINT') hurry.abort();
    if (stopping) return;
    stopping = true;
    log.info({ event: 'stopping', signal });
    await Promise.all([
      pruning.stop(),
      mailing?.stop(),

      recording.stop(),
      ...tasks.map((task) => task.stop()),
      server.close(hurry.signal),
    ]);
    // After the last request, because it is counted too.
    await counting.stop();
    await database.close();
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Logged after the handlers are set: an unhandled signal would end the process at once.
  log.info({ event: 'listening', address: server.address, issuer: config.issuer, admin: server.adminAddress });
}

/** @returns one sentence that says what is wrong and what would be right. */
export function whyItCannotStart(error: unknown): string {
  if (error instanceof ConfigError) return `Munjigi cannot start: ${error.message}`;
  if (isUnavailable(error))
    return `Munjigi cannot start: the database at DATABASE_URL does not answer (${whyUnavailable(error)}). Is it running, and is the address right?`;
  const { code, message, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE')
    return `Munjigi cannot start: port ${port} is in use. Stop what listens there, or choose another: PORT=${(port ?? 3000) + 1} npm start`;
  if (code === 'EACCES') return `Munjigi cannot start: port ${port} needs privileges. Choose one above 1024, such as PORT=3000`;
  if (code === 'EADDRNOTAVAIL') return 'Munjigi cannot start: HOST is not an address of this machine. Use 127.0.0.1, or 0.0.0.0 for all';
  if (/(relation|table) .* does not exist/i.test(message))
    return 'Munjigi cannot start: the database has no tables yet. Run: node scripts/migrate.ts';
  return `Munjigi cannot start: ${message || code}`;
}
