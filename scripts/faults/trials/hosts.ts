import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../bootstrap/free-port.mjs';
import { pgbouncerVersion, startPgbouncer } from '../../bootstrap/pgbouncer.mjs';
import { type Cluster, newDatabase, openCluster, openStandby } from '../cluster.ts';
import { brokenOf, concluded, type Fault, goodAgainAfter, NotAtHand, type Outcome, type Trial } from '../fault.ts';
import { type Ground, openGround } from '../ground.ts';
import { createLine } from '../line.ts';

/** The nodes find the database at another host, or behind a pooler: F3, F21. */

const BEFORE_MS = 6_000;
const AFTER_MS = 8_000;
// How long a cluster manager takes to notice is its own affair: Patroni has a `ttl` of 30 s. Here it notices after a second.
const NOTICED_MS = 1_000;

/** The primary is killed and a synchronous standby promoted; then the new primary is stopped, and another standby promoted. */
async function failover({ say }: Trial): Promise<Outcome> {
  const ports = [await freePort(), await freePort(), await freePort()];
  const clusters: Cluster[] = [await openCluster({ port: ports[0] as number })];
  const [primary] = clusters as [Cluster];
  const databaseUrl = await newDatabase(primary);
  // For the trial's own statements. The nodes have all hosts in DATABASE_URL.
  const line = await createLine(databaseUrl);
  let ground: Ground | undefined;
  try {
    ground = await openGround({ databaseUrl: line.url, nodeDatabaseUrl: ofHosts(databaseUrl, ports), load: { perSecond: 150, lanes: 12 } });
    const { load } = ground;
    const end = load.begin();
    const outages: number[] = [];
    for (const ending of ['kill', 'stop'] as const) {
      const [old, port] = [clusters.at(-1) as Cluster, ports[clusters.length] as number];
      say(`standby ${clusters.length}`);
      const standby = await openStandby(old, port);
      clusters.push(standby);
      await old.sql("alter system set synchronous_standby_names = 'standby'", 'select pg_reload_conf()');
      await pause(BEFORE_MS);
      const [replica] = await old.sql('select sync_state from pg_stat_replication');
      if (replica?.['sync_state'] !== 'sync') throw new Error('the standby does not follow');
      const begun = performance.now();
      if (ending === 'kill') old.kill();
      if (ending === 'kill') await pause(NOTICED_MS);
      else await old.stop();
      await standby.sql('select pg_promote()');
      line.leadTo(port);
      await pause(AFTER_MS);
      outages.push(goodAgainAfter(load, begun));
    }
    await end();
    const [killed, stopped] = outages as [number, number];
    return await concluded(load, {
      did: 'SIGKILL to the primary, a synchronous standby promoted a second later; then a switchover to another standby; DATABASE_URL lists the hosts',
      goodAgainSeconds: killed,
      figures: `last refusal ${killed.toFixed(1)} s after the kill, ${stopped.toFixed(1)} s after the switchover began`,
      broken: brokenOf({
        'no request fails': !load.count.failed.length,
        'good again within 30 s of a kill': killed <= 30,
        'good again within 5 s of a switchover': stopped <= 5,
      }),
    });
  } finally {
    await ground?.close();
    line.close();
    for (const cluster of clusters) await cluster.drop();
  }
}

/** Several hosts in one address, as libpq writes them. */
function ofHosts(databaseUrl: string, ports: number[]): string {
  const { port, hostname } = new URL(databaseUrl);
  const hosts = ports.map((each) => `${hostname}:${each}`).join();
  return `${databaseUrl.replace(`${hostname}:${port}`, hosts)}?target_session_attrs=read-write`;
}

/** PgBouncer in transaction mode stands between, is killed, and is started again. */
async function poolerRestarts({ cluster }: Trial): Promise<Outcome> {
  const version = await pgbouncerVersion();
  if (!version) throw new NotAtHand('PgBouncer is not installed');
  const databaseUrl = await newDatabase(cluster);
  let pooler = await startPgbouncer(databaseUrl);
  const line = await createLine(pooler.url(databaseUrl));
  let ground: Ground | undefined;
  try {
    ground = await openGround({ databaseUrl, nodeDatabaseUrl: line.url, variables: () => ({ DATABASE_DIRECT_URL: databaseUrl }) });
    const { load } = ground;
    const end = load.begin();
    await pause(AFTER_MS);
    const calm = load.count.refused + load.count.failed.length;
    await pooler.stop();
    await pause(POOLER_AWAY_MS);
    pooler = await startPgbouncer(databaseUrl);
    line.leadTo(Number(new URL(pooler.url(databaseUrl)).port));
    const back = performance.now();
    await pause(AFTER_MS);
    await end();
    const goodAgainSeconds = goodAgainAfter(load, back);
    return await concluded(load, {
      did: `${version} in transaction mode before the database, LISTEN past it; killed, and started again after ${POOLER_AWAY_MS / 1_000} s`,
      goodAgainSeconds,
      broken: brokenOf({
        'nothing is refused before': calm === 0,
        'no request fails': !load.count.failed.length,
        'good again within 5 s': goodAgainSeconds <= 5,
      }),
    });
  } finally {
    await ground?.close();
    line.close();
    await pooler.stop();
  }
}

const POOLER_AWAY_MS = 5_000;

export const hostFaults: Fault[] = [
  {
    id: 'F3',
    title: 'failover to another database host',
    passes: 'nothing lost, good again within 30 s, 5 s by switchover',
    play: failover,
  },
  { id: 'F21', title: 'PgBouncer before the database restarts', passes: 'nothing lost, good again within 5 s', play: poolerRestarts },
];
