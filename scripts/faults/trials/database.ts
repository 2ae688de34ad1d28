import { setTimeout as pause } from 'node:timers/promises';
import { post } from '../../../test/support/flow.ts';
import { holdTable } from '../../../test/support/lock.ts';
import { newDatabase, openCluster } from '../cluster.ts';
import { brokenOf, concluded, type Fault, goodAgainAfter, type Outcome, type Trial } from '../fault.ts';
import { type Ground, openGround } from '../ground.ts';

/** Faults of the database that the nodes have to outlive: F1, F2, F10. */

const BEFORE_MS = 3_000;
const AFTER_MS = 5_000;
const OUTAGE_MS = 30_000;
// Until what is loaded and compiled once is there.
const WARM_UP_MS = 15_000;

/** Backends die under the load, by SIGKILL, so that PostgreSQL restarts all of them. */
async function backendDies({ say }: Trial): Promise<Outcome> {
  const cluster = await openCluster();
  const ground = await openGround({ databaseUrl: await newDatabase(cluster) });
  try {
    const { load } = ground;
    const end = load.begin();
    await pause(BEFORE_MS);
    let lastKill = 0;
    for (let kills = 1; kills <= KILLS; kills++) {
      say(`backend ${kills} of ${KILLS}`);
      lastKill = performance.now();
      await killBackend(ground);
      await pause(KILL_EVERY_MS);
    }
    await pause(AFTER_MS);
    await end();
    const goodAgainSeconds = goodAgainAfter(load, lastKill);
    return await concluded(load, {
      did: `SIGKILL to ${KILLS} backends in turn; each time PostgreSQL ends all connections and recovers`,
      goodAgainSeconds,
      broken: brokenOf({ 'no request fails': !load.count.failed.length, 'good again within 5 s': goodAgainSeconds <= 5 }),
    });
  } finally {
    await ground.close();
    await cluster.drop();
  }
}

const KILLS = 5;
const KILL_EVERY_MS = 3_000;

/** Kills a backend that runs a statement of a node, if one does so now. Asks again while the database recovers. */
async function killBackend({ house }: Ground): Promise<void> {
  const busiest = `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    order by (state = 'active') desc, query_start desc nulls last limit 1`;
  for (;;) {
    const [backend] = await house.sql(busiest).catch(() => []);
    if (backend) return void process.kill(Number(backend['pid']), 'SIGKILL');
    await pause(100);
  }
}

/** The database stops for half a minute. */
async function databaseStops({ say }: Trial): Promise<Outcome> {
  const cluster = await openCluster();
  // A small heap: memory growth then shows what stays in use, and not garbage that waits for collection.
  const variables = () => ({ NODE_OPTIONS: '--max-old-space-size=96' });
  const ground = await openGround({ databaseUrl: await newDatabase(cluster), variables });
  try {
    const { load, nodes } = ground;
    const end = load.begin();
    await pause(WARM_UP_MS);
    const memory = Math.max(...nodes.map((node) => node.memory()));
    await cluster.stop();
    const stopped = performance.now();
    const seen = { readyMs: 0, wrong: 0 };
    while (performance.now() - stopped < OUTAGE_MS) {
      say(`stopped for ${Math.round((performance.now() - stopped) / 1_000)} s`);
      await lookAtNodes(ground, seen);
      await pause(500);
    }
    const growth = Math.max(...nodes.map((node) => node.memory())) - memory;
    await cluster.start();
    const back = performance.now();
    await pause(AFTER_MS);
    await end();
    const goodAgainSeconds = goodAgainAfter(load, back);
    return await concluded(load, {
      did: `database stopped for ${OUTAGE_MS / 1_000} s`,
      goodAgainSeconds,
      figures: `/readyz 503 within ${Math.round(seen.readyMs)} ms, memory ${growth < 0 ? '' : '+'}${growth.toFixed(0)} MB`,
      broken: brokenOf({
        'no request fails': !load.count.failed.length,
        '/readyz is 503 within 2 s': seen.readyMs < 2_000,
        '/livez, metadata and keys are 200, /readyz is 503': seen.wrong === 0,
        'a node grows by less than 50 MB': growth < 50,
        'good again within 3 s': goodAgainSeconds <= 3,
        'no node restarted': nodes.every((node) => node.logged('listening').length === 1),
      }),
    });
  } finally {
    await ground.close();
    await cluster.drop();
  }
}

/** What needs no database answers, and readiness says that there is none. */
async function lookAtNodes({ nodes, issuer }: Ground, seen: { readyMs: number; wrong: number }): Promise<void> {
  for (const node of nodes) {
    const asked = performance.now();
    if ((await node.send(`${issuer}/readyz`)).status !== 503) seen.wrong += 1;
    seen.readyMs = Math.max(seen.readyMs, performance.now() - asked);
    for (const path of ['/livez', '/.well-known/openid-configuration', '/oauth/jwks'])
      if ((await node.send(issuer + path)).status !== 200) seen.wrong += 1;
  }
}

/** Two hundred writes at once wait for a table that somebody holds. */
async function poolExhausted(trial: Trial): Promise<Outcome> {
  const databaseUrl = await newDatabase(trial.cluster);
  const ground = await openGround({ databaseUrl, load: { perSecond: 400, lanes: 2 } });
  try {
    const { load, site, issuer } = ground;
    const client = await site.createClient();
    const asked = { grant_type: 'client_credentials', resource: `${issuer}/api/posts`, scope: 'posts:read posts:write' };
    const { access_token } = (await (await post(site, '/oauth/token', client, asked)).json()) as { access_token: string };
    const headers = { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' };
    const write = () =>
      load.send(() => fetch(`${issuer}/api/posts`, { method: 'POST', headers, body: JSON.stringify({ title: 'full', body: '.' }) }));
    const lock = await holdTable(databaseUrl, 'post');
    const writes = Promise.all(Array.from({ length: 200 }, write));
    await lock.awaited(10);
    const held = await writes;
    const slowest = Math.max(...load.count.latencies);
    await lock.release();
    const freed = performance.now();
    const told = held.filter(({ status }) => status === 201).length;
    const written = await untilQuiet(ground);
    const end = load.begin();
    await pause(AFTER_MS);
    await end();
    const goodAgainSeconds = goodAgainAfter(load, freed);
    return await concluded(load, {
      did: '200 writes at once while their table was locked',
      goodAgainSeconds,
      figures: `slowest answer ${(slowest / 1_000).toFixed(1)} s; ${written} rows for ${told} answers of 201`,
      broken: brokenOf({
        'no request fails': !load.count.failed.length,
        'every answer within 5 s': slowest < 5_000,
        'what was refused was not done': written === told,
        'good again within 5 s': goodAgainSeconds <= 5,
      }),
    });
  } finally {
    await ground.close();
  }
}

/** @returns rows of the table, once no statement of the nodes runs any more. */
async function untilQuiet({ house }: Ground): Promise<number> {
  const busy = "select from pg_stat_activity where datname = current_database() and state = 'active' and pid <> pg_backend_pid()";
  while ((await house.sql(busy)).length) await pause(50);
  return Number((await house.sql('select count(*) as n from post'))[0]?.['n']);
}

export const databaseFaults: Fault[] = [
  {
    id: 'F1',
    title: 'a database backend dies in the middle of a request',
    passes: '503, nothing lost, good again within 5 s',
    play: backendDies,
  },
  { id: 'F2', title: 'the database stops and comes back', passes: '/readyz 503 within 2 s, good again within 3 s', play: databaseStops },
  {
    id: 'F10',
    title: 'every connection of the pool is busy',
    passes: 'every answer within 5 s, what was refused was not done',
    play: poolExhausted,
  },
];
