import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ROOT } from '../../bootstrap/node.mjs';
import { migrated, newDatabase } from '../cluster.ts';
import { brokenOf, concluded, type Fault, NotAtHand, type Outcome, type Trial } from '../fault.ts';
import { type Ground, openGround } from '../ground.ts';

/** Nodes that are replaced while clients go on: by the same version (F14) and by another one (F13). */

const REQUESTS = 10_000;
const EXIT_MS = 10_000;

/** Stops one node after another by SIGTERM and starts it again, as long as the requests last. */
async function rollingRestart({ cluster, options, say }: Trial): Promise<Outcome> {
  const ground = await openGround({ databaseUrl: await newDatabase(cluster), load: { perSecond: 200, lanes: 16 } });
  try {
    const { load } = ground;
    const rounds: number[] = [];
    let restarts = 0;
    let slowestExit = 0;
    for (let round = 1; round <= options.rounds; round++) {
      const before = load.count.failed.length + load.count.refused;
      const running = load.run(REQUESTS);
      let over = false;
      void running.then(() => (over = true));
      while (!over) {
        slowestExit = Math.max(slowestExit, await ground.restart(restarts % ground.nodes.length));
        restarts += 1;
        say(`round ${round}: ${load.count.sent} requests, ${restarts} restarts`);
      }
      await running;
      rounds.push(load.count.failed.length + load.count.refused - before);
    }
    return await concluded(load, {
      did: `${options.rounds} rounds of ${REQUESTS.toLocaleString('en')} requests through ${load.balancer}; ${restarts} restarts by SIGTERM, DRAIN_SECONDS=3`,
      figures: `not answered in each round: ${rounds.join(', ')} (503 by the balancer: ${load.count.refusedByBalancer}); a node stopped within ${(slowestExit / 1_000).toFixed(1)} s`,
      broken: brokenOf({
        'no request fails or is refused': rounds.every((bad) => bad === 0),
        'a node stops within 10 s': slowestExit < EXIT_MS,
      }),
    });
  } finally {
    await ground.close();
  }
}

const PHASE_MS = 8_000;

/** The version before the newest migration, then both, then the new one, and back. */
async function twoVersions({ cluster, say }: Trial): Promise<Outcome> {
  const { root, name } = await versionBefore();
  let ground: Ground | undefined;
  try {
    const databaseUrl = await emptyDatabase(cluster);
    await migrated(databaseUrl, root);
    ground = await openGround({ databaseUrl, root, load: { perSecond: 50 } });
    const { load } = ground;
    const end = load.begin();
    const phases: [string, () => Promise<unknown>][] = [
      ['the old version alone', async () => {}],
      ['the schema of the new one', () => migrated(databaseUrl)],
      ['both versions', () => (ground as Ground).restart(0, {}, ROOT)],
      ['the new version alone', () => (ground as Ground).restart(1, {}, ROOT)],
      ['one node back at the old version', () => (ground as Ground).restart(0, {}, root)],
    ];
    for (const [phase, change] of phases) {
      say(phase);
      await change();
      await pause(PHASE_MS);
    }
    await end();
    const bad = load.count.failed.length + load.count.refused;
    return await concluded(load, {
      did: `the version before migration ${name}, migration, both versions, the new one, and back, under 50 requests a second`,
      broken: brokenOf({ 'no request fails or is refused': bad === 0 }),
    });
  } finally {
    await ground?.close();
    rmSync(root, { recursive: true, force: true });
  }
}

async function emptyDatabase(cluster: Trial['cluster']): Promise<string> {
  const name = `faults_old_${process.pid}`;
  await cluster.sql(`drop database if exists ${name} with (force)`, `create database ${name}`);
  return Object.assign(new URL(cluster.url), { pathname: `/${name}` }).href;
}

/** Unpacks the commit before the newest migration, with the packages of today. @throws NotAtHand without the history. */
async function versionBefore(): Promise<{ root: string; name: string }> {
  const newest = readdirSync(join(ROOT, 'prisma/migrations'))
    .filter((name) => /^\d/.test(name))
    .sort()
    .at(-1) as string;
  const run = promisify(execFile);
  const root = mkdtempSync(join(tmpdir(), 'munjigi-before-'));
  try {
    // By its content: a migration that was dated again is no newer one.
    const { stdout } = await run('git', ['log', '--follow', '--format=%H', '--', `prisma/migrations/${newest}/migration.sql`], {
      cwd: ROOT,
    });
    const commit = `${stdout.trim().split('\n').at(-1)}^`;
    const archive = join(root, 'before.tar');
    await run('git', ['archive', '--output', archive, commit], { cwd: ROOT });
    await run('tar', ['-xf', archive, '-C', root]);
  } catch {
    rmSync(root, { recursive: true, force: true });
    throw new NotAtHand('the version before the newest migration comes from the git history, which is not here');
  }
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  await run(process.execPath, [join(root, 'scripts/bootstrap/generate-client.cjs'), join(root, 'prisma/schema.prisma')]);
  return { root, name: newest.replace(/^\d+_/, '') };
}

export const restartFaults: Fault[] = [
  { id: 'F13', title: 'two versions across a migration', passes: 'no request fails, tokens of each hold at the other', play: twoVersions },
  { id: 'F14', title: 'rolling restart under load', passes: 'no request fails, a node stops within 10 s', play: rollingRestart },
];
