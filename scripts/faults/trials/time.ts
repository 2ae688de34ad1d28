import { setTimeout as pause } from 'node:timers/promises';
import { newDatabase } from '../cluster.ts';
import { brokenOf, concluded, counted, type Fault, type Outcome, type Trial } from '../fault.ts';
import { type Ground, openGround } from '../ground.ts';
import { percentile } from '../load.ts';

/** Faults that take their time: F18, F19. */

const EXPIRED = 1_000_000;
const CHUNK = 100_000;
const PRUNED_WITHIN_MS = 300_000;
const CALM_MS = 10_000;

/** A million expired rows leave while clients go on. */
async function expiredRows({ cluster, say }: Trial): Promise<Outcome> {
  const ground = await openGround({ databaseUrl: await newDatabase(cluster) });
  try {
    const { load, house } = ground;
    await insertExpired(ground, say);
    const end = load.begin();
    await pause(CALM_MS);
    const calm = percentile(load.count.latencies, 0.99);
    const begun = performance.now();
    let from = load.count.latencies.length;
    let left = EXPIRED;
    let dead = 0;
    let busySince: number | undefined;
    while (left > 0 && performance.now() - begun < PRUNED_WITHIN_MS) {
      await pause(1_000);
      const rows = Number((await house.sql('select count(*) as n from token where expires_at < now()'))[0]?.['n']);
      if (rows < EXPIRED && busySince === undefined) [busySince, from] = [performance.now(), load.count.latencies.length];
      left = rows;
      dead = Math.max(dead, await deadShare(ground));
      say(`${left} expired rows are left`);
    }
    const busy = percentile(load.count.latencies.slice(from), 0.99);
    const seconds = (performance.now() - (busySince ?? begun)) / 1_000;
    await end();
    return await concluded(load, {
      did: `${EXPIRED.toLocaleString('en')} expired tokens left by themselves in ${Math.round(seconds)} s, on two nodes under load`,
      figures: `p99 ${calm.toFixed(0)} ms before, ${busy.toFixed(0)} ms meanwhile; dead rows at most ${(dead * 100).toFixed(0)} %`,
      broken: brokenOf({
        'no request fails or is refused': load.count.failed.length + load.count.refused === 0,
        'every expired row leaves within 5 min': left === 0,
        'fewer than a fifth of the rows are dead': dead < 0.2,
      }),
    });
  } finally {
    await ground.close();
  }
}

async function insertExpired({ house, site }: Ground, say: (sentence: string) => void): Promise<void> {
  const { client_id } = await site.createClient();
  for (let from = 1; from <= EXPIRED; from += CHUNK) {
    // As many that live: otherwise the table would be dead rows and nothing else.
    await house.sql(
      `insert into token (id, kind, client_id, expires_at, payload)
       select sha256(n::text::bytea), 'AccessToken', $1, now() + case when n % 2 = 0 then interval '1 day' else interval '-1 day' end, '{}'
       from generate_series(2 * $2::int - 1, 2 * $3::int) n`,
      [client_id, from, from + CHUNK - 1],
    );
    say(`${from + CHUNK - 1} expired rows`);
  }
  await house.sql('vacuum analyze token');
}

async function deadShare({ house }: Ground): Promise<number> {
  const [row] = await house.sql(
    "select n_live_tup::float8 as live, n_dead_tup::float8 as dead from pg_stat_user_tables where relname = 'token'",
  );
  const [live, dead] = [Number(row?.['live']), Number(row?.['dead'])];
  return dead / Math.max(1, live + dead);
}

const SLOPE_FROM_MINUTES = 10;
const MOST_MB_A_MINUTE = 1;

/** Clients go on, and nothing grows. */
async function soak({ cluster, options, say }: Trial): Promise<Outcome> {
  const minutes = options.full ? 30 : 1;
  const ground = await openGround({ databaseUrl: await newDatabase(cluster) });
  try {
    const { load, nodes } = ground;
    const memory: { minute: number; megabytes: number }[] = [];
    const checked = { facts: 0, lost: [] as string[] };
    const begun = performance.now();
    for (let minute = 1; minute <= minutes; minute++) {
      const end = load.begin();
      while (performance.now() - begun < minute * 60_000) {
        await pause(5_000);
        memory.push({ minute: (performance.now() - begun) / 60_000, megabytes: Math.max(...nodes.map((node) => node.memory())) });
        say(`minute ${minute} of ${minutes}: ${load.count.sent} requests, ${memory.at(-1)?.megabytes.toFixed(0)} MB`);
      }
      await end();
      // Before tokens expire of themselves.
      const { facts, lost } = await load.check();
      checked.facts += facts;
      checked.lost.push(...lost);
    }
    // What is loaded and compiled in the first half is no growth.
    const slope = slopeOf(memory.slice(memory.length / 2));
    const { refused, failed } = load.count;
    const judged = minutes >= SLOPE_FROM_MINUTES;
    return {
      ...counted(load),
      ...{ facts: checked.facts, lost: checked.lost.length },
      did: `${minutes} min of mixed load`,
      figures: `memory of a node at most ${Math.max(...memory.map(({ megabytes }) => megabytes)).toFixed(0)} MB; slope in the second half ${slope.toFixed(2)} MB a minute${judged ? '' : ' (too short to judge)'}`,
      broken: [
        ...brokenOf({
          'no request fails or is refused': failed.length + refused === 0,
          'no fact is lost': !checked.lost.length,
          'memory grows by less than 1 MB a minute': !judged || slope < MOST_MB_A_MINUTE,
          'nothing was printed past the log, and no node restarted': nodes.every(
            (node) => node.output() === '' && node.logged('listening').length === 1,
          ),
        }),
        ...new Set([...checked.lost, ...failed].slice(0, 3)),
      ],
    };
  } finally {
    await ground.close();
  }
}

/** Of the straight line through the points, by least squares. */
function slopeOf(points: { minute: number; megabytes: number }[]): number {
  const mean = (of: (point: (typeof points)[number]) => number) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(({ minute }) => minute), mean(({ megabytes }) => megabytes)];
  return mean(({ minute, megabytes }) => (minute - x) * (megabytes - y)) / mean(({ minute }) => (minute - x) ** 2);
}

export const slowFaults: Fault[] = [
  { id: 'F18', title: 'a million expired rows under load', passes: 'every row leaves, fewer than a fifth are dead', play: expiredRows },
  { id: 'F19', title: 'a soak', passes: 'no error, memory grows by less than 1 MB a minute', play: soak },
];
