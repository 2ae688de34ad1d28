import { setTimeout as pause } from 'node:timers/promises';
import { newDatabase } from '../cluster.ts';
import { brokenOf, concluded, type Fault, goodAgainAfter, type Outcome, type Trial } from '../fault.ts';
import { type Ground, openGround } from '../ground.ts';
import { createLine, type Line } from '../line.ts';
import { percentile } from '../load.ts';

/** What happens to the line between nodes and database: F9, F11. */

const BEFORE_MS = 3_000;
const AFTER_MS = 5_000;

/** Nodes that reach the database by a line of ours. */
async function withLine(trial: Trial, work: (ground: Ground, line: Line) => Promise<Outcome>, load = {}): Promise<Outcome> {
  const databaseUrl = await newDatabase(trial.cluster);
  const line = await createLine(databaseUrl);
  const ground = await openGround({ databaseUrl, nodeDatabaseUrl: line.url, load });
  try {
    return await work(ground, line);
  } finally {
    line.mend();
    await ground.close();
    line.close();
  }
}

/** Each answer of the database comes half a second later. */
const databaseSlow = (trial: Trial) =>
  withLine(
    trial,
    async ({ load }, line) => {
      const end = load.begin();
      await pause(BEFORE_MS);
      line.slow(SLOW_MS);
      const begun = load.count.latencies.length;
      await pause(SLOW_FOR_MS);
      const during = load.count.latencies.slice(begun);
      line.mend();
      const mended = performance.now();
      await pause(AFTER_MS);
      await end();
      const p99 = percentile(during, 0.99);
      const goodAgainSeconds = goodAgainAfter(load, mended);
      const refused = Math.round((100 * load.count.refused) / Math.max(1, during.length));
      return concluded(load, {
        did: `each answer of the database ${SLOW_MS} ms later, for ${SLOW_FOR_MS / 1_000} s, at 20 requests a second`,
        goodAgainSeconds,
        figures: `p99 ${(p99 / 1_000).toFixed(1)} s, ${refused} % refused while it was slow`,
        broken: brokenOf({
          'no request fails': !load.count.failed.length,
          'p99 below 3 s': p99 < 3_000,
          'good again within 5 s': goodAgainSeconds <= 5,
        }),
      });
    },
    { perSecond: 20, lanes: 20 },
  );

const SLOW_MS = 500;
const SLOW_FOR_MS = 20_000;

/** The network between nodes and database loses every packet. */
const networkSilent = (trial: Trial) =>
  withLine(trial, async ({ load, house }, line) => {
    const end = load.begin();
    await pause(BEFORE_MS);
    const connections = await connectionsTo(house);
    line.silence();
    const begun = load.count.latencies.length;
    await pause(SILENT_MS);
    const slowest = Math.max(...load.count.latencies.slice(begun));
    line.mend();
    const mended = performance.now();
    await pause(AFTER_MS);
    await end();
    const leaked = (await connectionsTo(house)) - MOST_CONNECTIONS;
    const goodAgainSeconds = goodAgainAfter(load, mended);
    return concluded(load, {
      did: `network to the database lost every byte for ${SILENT_MS / 1_000} s`,
      goodAgainSeconds,
      figures: `slowest answer ${(slowest / 1_000).toFixed(1)} s; ${connections} connections before, ${leaked + MOST_CONNECTIONS} after`,
      broken: brokenOf({
        'no request fails': !load.count.failed.length,
        'every answer within 5 s': slowest < 5_000,
        'no connection is left over': leaked <= 0,
        'good again within 5 s': goodAgainSeconds <= 5,
      }),
    });
  });

const SILENT_MS = 20_000;
// Of two nodes, 20 each (platform/database.ts).
const MOST_CONNECTIONS = 40;

const connectionsTo = async (house: Ground['house']) =>
  Number(
    (
      await house.sql(
        "select count(*) as n from pg_stat_activity where datname = current_database() and application_name <> 'faults' and client_addr is not null",
      )
    )[0]?.['n'],
  );

export const networkFaults: Fault[] = [
  { id: 'F9', title: 'the database is slow', passes: 'p99 below 3 s, good again within 5 s', play: databaseSlow },
  {
    id: 'F11',
    title: 'the network to the database falls silent',
    passes: 'every answer within 5 s, no connection left over',
    play: networkSilent,
  },
];
