import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { authorizePath, pkce } from '../../../test/support/flow.ts';
import { freePort } from '../../bootstrap/free-port.mjs';
import { ROOT } from '../../bootstrap/node.mjs';
import { type Cluster, copyCluster, newDatabase, openCluster } from '../cluster.ts';
import { type Facts, findLost, noFacts } from '../facts.ts';
import { brokenOf, concluded, counted, type Fault, goodAgainAfter, NotAtHand, type Outcome, type Trial } from '../fault.ts';
import { type Ground, openGround } from '../ground.ts';

/** A database without room, and one of an earlier moment: F8, F17. */

const run = promisify(execFile);
const BEFORE_MS = 6_000;
const AFTER_MS = 8_000;
const DISK_MB = 400;
const FULL_MS = 15_000;

/** The file system of the database has no byte left, and then has room again. */
async function diskFull({ say }: Trial): Promise<Outcome> {
  const disk = await mountDisk();
  let cluster: Cluster | undefined;
  let ground: Ground | undefined;
  try {
    cluster = await openCluster({ folder: join(disk, 'cluster'), flags: ['max_wal_size=64MB', 'min_wal_size=32MB', 'wal_keep_size=0'] });
    ground = await openGround({ databaseUrl: await newDatabase(cluster), load: { perSecond: 100, lanes: 10 } });
    const { load } = ground;
    const end = load.begin();
    await pause(BEFORE_MS);
    const ballast = join(disk, 'ballast');
    const full = performance.now();
    const refusedBefore = load.count.refused;
    while (performance.now() - full < FULL_MS) {
      fill(ballast, disk);
      await pause(500);
      say(`full for ${Math.round((performance.now() - full) / 1_000)} s, ${load.count.refused} refused`);
    }
    const refused = load.count.refused - refusedBefore;
    rmSync(ballast);
    const freed = performance.now();
    const gaveUp = !cluster.isRunning();
    // What a service manager does.
    if (gaveUp) await cluster.start();
    await pause(AFTER_MS * 2);
    await end();
    const goodAgainSeconds = goodAgainAfter(load, freed);
    return await concluded(load, {
      did: `the file system of the database full for ${FULL_MS / 1_000} s`,
      goodAgainSeconds,
      figures: `${refused} refused while it was full; PostgreSQL ${gaveUp ? 'gave up and was started again' : 'went on by itself'}`,
      broken: brokenOf({
        'no request fails': !load.count.failed.length,
        'the full disk was noticed': refused > 0,
        'good again within 10 s': goodAgainSeconds <= 10,
      }),
    });
  } finally {
    await ground?.close();
    await cluster?.drop();
    await run('umount', [disk]).catch(() => {});
    rmSync(disk, { recursive: true, force: true });
  }
}

/** A small file system in memory. @throws NotAtHand for a user who may not mount. */
async function mountDisk(): Promise<string> {
  const disk = mkdtempSync(join(tmpdir(), 'munjigi-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=755`, 'tmpfs', disk]).catch(() => {
    rmSync(disk, { recursive: true });
    throw new NotAtHand('a small file system can be mounted by root on Linux alone');
  });
  return disk;
}

/** Takes every byte that is left. */
function fill(ballast: string, disk: string): void {
  const { bavail, bsize } = statfsSync(disk);
  for (let left = bavail; left > 0; left -= 256) {
    try {
      writeFileSync(ballast, Buffer.alloc(Math.min(left, 256) * bsize), { flag: 'a' });
    } catch {
      return;
    }
  }
}

/** A physical backup is restored as docs/operate/backup.md says, while clients hold what was issued since. */
async function restoreBackup({ say }: Trial): Promise<Outcome> {
  const port = await freePort();
  const clusters = [await openCluster({ port })];
  const [first] = clusters as [Cluster];
  const databaseUrl = await newDatabase(first);
  const ground = await openGround({ databaseUrl });
  try {
    const { load, nodes } = ground;
    let end = load.begin();
    await pause(BEFORE_MS);
    await end();
    const allowed = load.facts.allowed.slice();
    const backup = await copyCluster(first);
    end = load.begin();
    await pause(AFTER_MS);
    await end();
    const { facts } = load;
    // After a restore, nothing is good that was issued, spent or revoked before it.
    const ended = { ...noFacts(), revoked: new Map([...facts.active, ...facts.revoked]), spent: facts.spent };
    say('restore');
    const begun = performance.now();
    await Promise.all(nodes.map((node) => node.kill('SIGTERM')));
    await first.stop();
    clusters.push(await openCluster({ port, folder: backup }));
    await run(process.execPath, [join(ROOT, 'scripts/restored.ts'), '--yes'], { env: { ...process.env, DATABASE_URL: databaseUrl } });
    for (const index of nodes.keys()) await ground.restart(index);
    const signedIn = await signInAgain(ground);
    const took = (performance.now() - begun) / 1_000;
    const lost = [...(await findLost(ended, load.asking)), ...(await askedAgain(allowed))];
    return {
      ...counted(load),
      ...{ goodAgainSeconds: took, lost: lost.length },
      facts: ended.revoked.size + ended.spent.size + allowed.length,
      did: `a physical backup of a running database restored ${Math.round(AFTER_MS / 1_000)} s later, with \`scripts/restored.ts\``,
      figures: `${ended.revoked.size} tokens and ${ended.spent.size} spent refresh tokens refused, ${allowed.length} consents kept`,
      broken: [
        ...brokenOf({ 'sign-in works within 5 min': signedIn && took < 300, 'nothing of before is good': !lost.length }),
        ...new Set(lost),
      ],
    };
  } finally {
    await ground.close();
    for (const cluster of clusters) await cluster.drop();
  }
}

/** @returns whether somebody gets a code with their password within a minute. */
async function signInAgain(ground: Ground): Promise<boolean> {
  const [person, client] = [await ground.house.createPerson(), await ground.site.createClient()];
  for (const until = performance.now() + 60_000; performance.now() < until; await pause(200)) {
    const visitor = ground.load.newVisitor();
    const { code_verifier: _, ...challenge } = pkce();
    let page = await visitor.open(authorizePath(client, challenge));
    if (page.html.includes('name="password"')) page = await page.submit({ email: person.email, password: person.password });
    if (page.html.includes('name="decision"')) page = await page.submit({ decision: 'approve' });
    if (page.url.searchParams.has('code')) return true;
  }
  return false;
}

/** Users of before the backup sign in again. @returns a sentence for each that is asked for a consent of before. */
async function askedAgain(allowed: Facts['allowed']): Promise<string[]> {
  const asked: string[] = [];
  const signedIn = new Set<unknown>();
  for (const { visitor, client, person } of allowed) {
    const { code_verifier: _, ...challenge } = pkce();
    let page = await visitor.open(authorizePath(client, challenge));
    const wasIn = signedIn.has(visitor);
    if (page.html.includes('name="password"')) page = await page.submit({ email: person.email, password: person.password });
    else if (!wasIn) asked.push('a session of before the restore is good');
    signedIn.add(visitor);
    if (!page.url.searchParams.has('code')) asked.push(`a consent of before is not there: ${page.url.pathname}`);
  }
  return asked;
}

export const recoveryFaults: Fault[] = [
  { id: 'F8', title: "the database's disk is full", passes: '503, nothing lost, good again within 10 s', play: diskFull },
  {
    id: 'F17',
    title: 'restore of an older physical backup',
    passes: 'nothing of before is good, sign-in within 5 min',
    play: restoreBackup,
  },
];
