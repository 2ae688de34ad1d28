import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openAccount, signInIfAsked } from '../support/account.ts';
import type { TestServer } from '../support/environment.ts';
import { Person } from '../support/person.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** `npm start` as it is run, on a folder of its own. */
describe('npm start', () => {
  let folder: string;
  let port: number;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'munjigi-start-'));
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    port = (probe.address() as { port: number }).port;
    probe.close();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const { TEST_DATABASE_URL: _theirs, NODE_ENV: _test, ...environment } = process.env;

  /** @returns the process and what it prints, until it prints `until` or ends. */
  async function start(variables: Record<string, string>, until = 'Ctrl-C') {
    const child = spawn('npm', ['start'], {
      cwd: ROOT,
      env: { ...environment, PORT: String(port), DATA_DIR: folder, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
      // In a group of its own, which is what a terminal sends Ctrl-C to.
      detached: true,
    });
    let output = '';
    await new Promise<void>((done) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk) => {
          output += chunk;
          if (output.includes(until)) done();
        });
      }
      child.on('close', () => done());
    });
    return { child, output: () => output };
  }

  const ended = async (child: ChildProcess) => child.exitCode ?? ((await once(child, 'close'))[0] as number);
  const processesOfFolder = () =>
    execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(folder) && !line.startsWith('ps '));

  it('ends with a panel whose two commands work as printed, and on SIGTERM or Ctrl-C leaves no process behind and loses nothing', async () => {
    const first = await start({});
    const panel = first.output();
    const commands = panel.split('\n').filter((line) => line.includes('curl '));
    assert.equal(commands.length, 2, panel);
    const printed = execFileSync('bash', ['-c', commands.join('\n')], { encoding: 'utf8' });
    const [token, introspection] = printed.trim().split('\n');
    assert.equal(JSON.parse(introspection as string).active, true);

    const demoFile = join(folder, 'demo.json');
    assert.equal(statSync(demoFile).mode & 0o777, 0o600);
    const demo = JSON.parse(readFileSync(demoFile, 'utf8'));
    assert.deepEqual(Object.keys(demo).sort(), [
      'adminEmail',
      'adminPassword',
      'clientId',
      'clientSecret',
      'email',
      'password',
      'resourceServerId',
      'resourceServerSecret',
    ]);
    for (const secret of [demo.password, demo.adminPassword, demo.clientSecret]) assert.ok(panel.includes(secret));

    const site = { issuer: `http://localhost:${port}` } as TestServer;
    const admin = await openAccount(site, { email: demo.adminEmail, password: demo.adminPassword }, '/admin');
    assert.match(admin.html, /No events in this period\.|class="chart"/);
    const person = await signInIfAsked(await new Person(site.issuer).open('/admin'), demo);
    assert.equal(person.response.status, 404, 'and the demo user does not');

    first.child.kill('SIGTERM');
    await ended(first.child);
    await waitUntil(() => processesOfFolder().length === 0);

    // By two processes this time: Ctrl-C reaches each of them, and the one above them too.
    const second = await start({ WEB_CONCURRENCY: '2' });
    assert.equal(second.output().match(/"event":"listening"/g)?.length, 2);
    assert.ok(!/creating the database|migrating|seeding/.test(second.output()), 'a second start does again what was done');
    const again = await fetch(`http://localhost:${port}/oauth/introspect`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${demo.resourceServerId}:${demo.resourceServerSecret}`).toString('base64')}` },
      body: new URLSearchParams({ token: token as string }),
    });
    assert.equal(((await again.json()) as { active: boolean }).active, true, 'the token was lost');
    process.kill(-(second.child.pid as number), 'SIGINT');
    await ended(second.child);
    await waitUntil(() => processesOfFolder().length === 0 && !isGroupAlive(second.child.pid as number));
  });

  const refusals: [string, () => Record<string, string>, RegExp][] = [
    ['a wrong variable', () => ({ PORT: 'many', LOG_LEVEL: 'loud' }), /2 problems:\n {2}- PORT must be .*\n {2}- LOG_LEVEL must be/],
    [
      'a database that does not answer',
      () => ({ DATABASE_URL: 'postgres://nobody:x@127.0.0.1:1/none', DATABASE_WAIT_SECONDS: '0' }),
      /the database at DATABASE_URL does not answer .*Is it running/,
    ],
    ['a folder that cannot be written to', () => ({ DATA_DIR: join(folder, 'file/below') }), /DATA_DIR .* cannot be written to/],
    [
      'production without its secrets',
      () => ({ NODE_ENV: 'production', DATABASE_URL: 'postgres://nobody:x@127.0.0.1:1/none' }),
      /ISSUER is required in production[\s\S]*COOKIE_KEYS is required[\s\S]*DATA_ENCRYPTION_KEYS is required/,
    ],
  ];
  before(() => writeFileSync(join(folder, 'file'), ''));
  for (const [what, variables, sentence] of refusals) {
    it(`says in a sentence what is wrong with ${what}, and exits 1`, async () => {
      const { child, output } = await start(variables());
      assert.equal(await ended(child), 1);
      assert.match(output(), sentence);
      assert.doesNotMatch(output(), /^\s+at .*:\d+:\d+/m, 'a stack trace');
    });
  }

  it('says in a sentence that its port is in use, stops its database, and exits 1', async () => {
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const { child, output } = await start({});
    assert.equal(await ended(child), 1);
    squatter.close();
    assert.match(output(), new RegExp(`port ${port} is in use`));
    assert.doesNotMatch(output(), /^\s+at .*:\d+:\d+/m);
    await waitUntil(() => processesOfFolder().length === 0);
  });
});

function isGroupAlive(leader: number): boolean {
  try {
    return process.kill(-leader, 0);
  } catch {
    return false;
  }
}

/** Looks again until it is so; the runner's own limit is the end of patience. */
async function waitUntil(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((again) => setTimeout(again, 50));
}
