import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Log } from './platform/log.ts';

/**
 * Owns the processes that serve one port when WEB_CONCURRENCY asks for more than one. They know of one another by the database alone.
 * The primary serves nothing: it starts workers, replaces those that die, and passes signals on.
 */

// A worker that served and died is missed; one that did not get so far will hardly do better a moment later.
const PAUSE_MS = 1_000;
const PAUSE_AFTER_FAILED_START_MS = 5_000;

/** The number of this process among the workers; undefined when it is the only one, or the primary. */
export const workerId: number | undefined = cluster.worker?.id;

/**
 * Runs workers until SIGINT or SIGTERM, each of them src/main.ts with the same environment. Ends the process itself: with 1 when the
 * first worker cannot start, with 0 once all have drained.
 * @returns once all have listened.
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

  /** @returns whether it came to listen. */
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

  // The first alone: what keeps it from starting would keep the others from it too, and it says so itself, once.
  if (!(await start(false)) && !stopping) process.exit(1);
  await Promise.all(Array.from({ length: count - 1 }, () => stopping || start(true)));
}

function living(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined && !worker.isDead()) as Worker[];
}
