import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Log } from './platform/log.ts';

/**
 * Owns the processes that serve one port when WEB_CONCURRENCY is above one. They share nothing but the database. The primary serves no
 * requests: it starts workers, replaces those that die, and forwards signals.
 */

// Delay before a worker is replaced. One that failed to start would probably fail again at once, so its delay is longer.
const PAUSE_MS = 1_000;
const PAUSE_AFTER_FAILED_START_MS = 5_000;

/** The number of this worker; undefined for a single process and for the primary. */
export const workerId: number | undefined = cluster.worker?.id;

/**
 * Runs workers until SIGINT or SIGTERM, each running src/main.ts with the same environment. It exits with 1 when the first worker cannot
 * start, and with 0 once all have drained.
 * @returns once all workers listen.
 */
export async function superviseWorkers(count: number, log: Log): Promise<void> {
  cluster.setupPrimary({ exec: join(import.meta.dirname, 'main.ts'), args: [] });
  let stopping = false;

  const stop = (signal: NodeJS.Signals) => {
    if (!stopping) log.info({ event: 'stopping', signal, workers: living().length });
    stopping = true;
    for (const worker of living()) worker.process.kill(signal);
    if (!living().length) process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  /** @returns whether the worker listened. */
  const start = async (replace: boolean): Promise<boolean> => {
    const worker = cluster.fork();
    let listened = false;
    worker.on('exit', (code, signal) => {
      if (stopping) return void (living().length || process.exit(0));
      if (!listened && !replace) return;
      const pause_ms = listened ? PAUSE_MS : PAUSE_AFTER_FAILED_START_MS;
      log.error({ event: 'worker_died', worker: worker.id, pid: worker.process.pid, code, signal, pause_ms });
      setTimeout(() => stopping || void start(true), pause_ms);
    });
    await Promise.race([once(worker, 'listening').then(() => (listened = true)), once(worker, 'exit')]);
    return listened;
  };

  // Starts one worker alone first: an error that stops it would stop the others too, and is then reported once.
  if (!(await start(false)) && !stopping) process.exit(1);
  await Promise.all(Array.from({ length: count - 1 }, () => stopping || start(true)));
}

function living(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined && !worker.isDead()) as Worker[];
}
