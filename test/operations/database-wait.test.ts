import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createDatabase, freePort, type TestDatabase } from '../support/environment.ts';
import { createHouse, type House } from '../support/processes.ts';

const ROOT = join(import.meta.dirname, '../..');

describe('A server that starts before its database', () => {
  let database: TestDatabase;
  let house: House;
  const relays: Server[] = [];

  before(async () => {
    database = await createDatabase();
    house = await createHouse(database.url);
  });
  after(async () => {
    await house.close();
    for (const relay of relays) relay.close();
    await database.drop();
  });

  /** @returns an address of the database that closes so many connections before it lets one through. */
  async function closing(refusals: number, databaseUrl = database.url): Promise<string> {
    const { port, hostname } = new URL(databaseUrl);
    let asked = 0;
    const relay = createServer((near) => {
      near.on('error', () => {});
      if (asked++ < refusals) return void near.destroy();
      const far = connect(Number(port), hostname);
      far.on('error', () => near.destroy());
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
      near.pipe(far).pipe(near);
    });
    relays.push(relay);
    await once(relay.listen(0, '127.0.0.1'), 'listening');
    const url = new URL(databaseUrl);
    url.port = String((relay.address() as AddressInfo).port);
    return url.href;
  }

  it('in production waits for it, says what it waits for and when it tries again, and then serves', async () => {
    const production = {
      NODE_ENV: 'production',
      SMTP_URL: 'smtp://127.0.0.1:1?requireTLS=false',
      DATABASE_URL: await closing(3),
      DATABASE_WAIT_SECONDS: '60',
    };
    const server = await house.start(production);
    const waits = server.logged('database_awaited');
    assert.equal(waits.length, 3);
    for (const { reason, next_try_ms, left_ms } of waits) {
      assert.match(String(reason), /Connection terminated|ECONNRESET/);
      assert.ok(Number(next_try_ms) > 0 && Number(left_ms) <= 60_000);
    }
    assert.ok(Number(waits[2]?.['next_try_ms']) > Number(waits[0]?.['next_try_ms']), 'each pause is longer');
    assert.ok(!server.logLines().join().includes(new URL(database.url).password));
    assert.equal((await server.send(`${house.issuer}/readyz`)).status, 200);
    await server.close();
  });

  it('in development waits too, before it looks for its tables', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'munjigi-wait-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    // With keys of its own, so a database of its own.
    const fresh = await createDatabase();
    t.after(() => fresh.drop());
    const port = String(await freePort());
    const environment = { PATH: process.env['PATH'], PORT: port, DATA_DIR: folder, DATABASE_URL: await closing(2, fresh.url) };
    const child = spawn(process.execPath, [join(ROOT, 'scripts/run.ts')], { env: environment });
    t.after(() => child.kill('SIGKILL'));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
    while (!output.includes('"event":"listening"')) {
      await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
      assert.equal(child.exitCode, null, output);
    }
    assert.equal(output.split('"event":"database_awaited"').length - 1, 2);
  });

  it('gives up after DATABASE_WAIT_SECONDS, in a sentence', async () => {
    const { code, output } = await house.startInVain({ DATABASE_URL: await closing(Number.POSITIVE_INFINITY), DATABASE_WAIT_SECONDS: '1' });
    assert.equal(code, 1);
    assert.match(output, /"event":"database_awaited"/);
    assert.match(
      output,
      /Munjigi cannot start: the database at DATABASE_URL does not answer \(.+\)\. Is it running, and is the address right\?/,
    );
  });

  it('does not wait where waiting helps nothing: a wrong password, a database that is not there', async () => {
    const wrong: [(url: URL) => void, RegExp][] = [
      [(url) => (url.password = 'hunter2'), /password authentication failed/],
      [(url) => (url.pathname = '/not_there'), /database "not_there" does not exist/],
    ];
    for (const [spoil, sentence] of wrong) {
      const url = new URL(database.url);
      spoil(url);
      const { code, output } = await house.startInVain({ DATABASE_URL: url.href, DATABASE_WAIT_SECONDS: '60' });
      assert.equal(code, 1);
      assert.match(output, sentence);
      assert.doesNotMatch(output, /database_awaited|hunter2/);
    }
  });
});
