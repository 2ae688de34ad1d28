import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { layOut, pin } from './machine.ts';
import { type Dialect, ISSUER } from './operations.ts';
import type { Order } from './server.ts';

/** Owns the servers under load: starts, pins and stops them, and sends them orders. */

export type BenchServer = {
  kind: string;
  pid: number;
  address: string;
  dialect: Dialect;
  lacks: string[];
  order<Answer>(order: Order): Promise<Answer>;
  stop(): Promise<void>;
};

/** All load comes from one network, which would meet the limits of any one at once. Printed with the figures. */
export const REQUEST_LIMITS = 'authorize=1000000,par=1000000,device=1000000,token=1000000';

// Of this run alone: the signing keys are sealed with them, and those are as new.
const SECRETS = { COOKIE_KEYS: randomBytes(32).toString('base64url'), DATA_ENCRYPTION_KEYS: randomBytes(32).toString('base64url') };

/** @param kind as server.ts knows it. @param databaseUrl one that was prepared for it. @param most the largest number of workers in this run: all share its layout. */
export async function startBenchServer(
  kind: string,
  databaseUrl: string,
  { workers = 1, most = 1, dataDir }: { workers?: number; most?: number; dataDir: string },
): Promise<BenchServer> {
  const child = fork(join(import.meta.dirname, 'server.ts'), [kind], {
    env: {
      ...process.env,
      ...SECRETS,
      DATABASE_URL: databaseUrl,
      ISSUER,
      HOST: '127.0.0.1',
      DATA_DIR: dataDir,
      NODE_ENV: 'production',
      // Nothing that is measured sends mail.
      SMTP_URL: 'smtp://localhost:1',
      LOG_LEVEL: 'silent',
      REQUEST_LIMITS,
      WEB_CONCURRENCY: String(workers),
    },
  });
  const { address, dialect, lacks } = await answerOf<Pick<BenchServer, 'address' | 'dialect' | 'lacks'>>(child, kind);
  const pid = child.pid as number;
  pin(pid, layOut(most).server);
  return {
    kind,
    pid,
    address,
    dialect,
    lacks,
    async order<Answer>(order: Order) {
      child.send(order);
      return answerOf<Answer>(child, kind);
    },
    async stop() {
      const closed = once(child, 'close');
      child.kill();
      await closed;
    },
  };
}

/** @throws when the server ends instead of answering. */
async function answerOf<Answer>(child: ChildProcess, kind: string): Promise<Answer> {
  const waiting = new AbortController();
  const ended = once(child, 'exit', waiting).then(([code]) => {
    throw new Error(`the ${kind} server ended with ${code}`);
  });
  try {
    const [answer] = await Promise.race([once(child, 'message', waiting), ended]);
    return answer as Answer;
  } finally {
    ended.catch(() => {});
    waiting.abort();
  }
}
