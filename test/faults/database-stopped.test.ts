import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startPostgres } from '../../scripts/bootstrap/postgres.mjs';
import { migrate } from '../../scripts/migrate.ts';
import { freePort } from '../support/environment.ts';
import { clientCredentials, createResourceServerClient, introspect, obtainCode, post, redeem, type TestClient } from '../support/flow.ts';
import { createHouse, type House, type TestProcess, waitUntil } from '../support/processes.ts';

/** OUTAGE_SECONDS=30 is the full form. */
const OUTAGE_MS = 1_000 * Number(process.env['OUTAGE_SECONDS'] ?? 4);
const READY_MS = 2_000;
const BACK_MS = 3_000;
const GROWTH_MB = 50;

describe('When the database itself is stopped or killed', () => {
  let folder: string;
  let port: number;
  let postgres: { url: string; stop(): Promise<void> };
  let house: House;
  let server: TestProcess;
  let client: TestClient;
  let api: TestClient;
  let person: { email: string; password: string };

  // On the same port each time: the last word counts.
  const startDatabase = () => startPostgres(folder, { flags: ['fsync=off', `port=${port}`] });

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'munjigi-stopped-'));
    port = await freePort();
    postgres = await startDatabase();
    const url = new URL(postgres.url);
    url.port = String(port);
    await migrate(url.href);
    house = await createHouse(url.href);
    // Little to waste: what its memory grows by is what is kept, and not what nobody has collected yet. At rest it needs 60.
    server = await house.start({ NODE_OPTIONS: '--max-old-space-size=80' });
    client = await house.createClient();
    api = await createResourceServerClient(server);
    person = await house.createPerson();
  });
  after(async () => {
    await house?.close();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function assertUnavailable(response: Response): Promise<void> {
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(response.status, 503);
    assert.ok(Number(response.headers.get('retry-after')) > 0);
    assert.equal(body['error'], 'temporarily_unavailable');
    assert.deepEqual(Object.keys(body).sort(), ['error', 'error_description'], 'no word about what is behind');
  }

  /** Asks until it succeeds. @returns milliseconds. */
  async function firstSuccess(): Promise<number> {
    const begun = performance.now();
    for (;;) {
      const response = await post(server, '/oauth/token', client, { grant_type: 'client_credentials' });
      if (response.status === 200) return performance.now() - begun;
      await assertUnavailable(response);
    }
  }

  it('a backend killed in the middle of an exchange: 503, and the code is as good as before', async () => {
    const code = await obtainCode(server, client, person);
    await house.sql('create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$');
    await house.sql('create trigger dawdle before insert on token for each row execute function dawdle()');
    const begun = performance.now();
    const redeeming = redeem(server, client, code);
    const asleep = "select pid from pg_stat_activity where wait_event = 'PgSleep'";
    let pid: unknown;
    await waitUntil(async () => {
      pid = (await house.sql(asleep))[0]?.['pid'];
      return pid !== undefined;
    });
    // What no backend survives takes all of them along, and the database starts anew.
    process.kill(pid as number, 'SIGKILL');
    await assertUnavailable(await redeeming);
    assert.ok(performance.now() - begun < BACK_MS);
    await waitUntil(() =>
      house.sql('drop trigger dawdle on token').then(
        () => true,
        () => false,
      ),
    );
    assert.ok((await firstSuccess()) < BACK_MS);
    assert.deepEqual(await house.sql("select kind from token where kind <> 'ClientCredentials'"), []);
    assert.equal((await redeem(server, client, code)).status, 200);
  });

  it(`stopped for ${OUTAGE_MS / 1_000} s: readiness says so, what is published is served, memory stays, and it goes on when the database does`, async () => {
    const { access_token } = await clientCredentials(server, client);
    const ask = (n: number) =>
      n % 2
        ? post(server, '/oauth/introspect', api, { token: access_token })
        : post(server, '/oauth/token', client, { grant_type: 'client_credentials' });
    // As busy as it will be, so that what grows afterwards grew because of the outage.
    for (let round = 0; round < 50; round++) await Promise.all(Array.from({ length: 20 }, async (_, n) => (await ask(n)).arrayBuffer()));
    const memory = server.memory();
    await postgres.stop();
    const stopped = performance.now();
    let slowest = 0;
    while (performance.now() - stopped < OUTAGE_MS) {
      const asked = performance.now();
      assert.equal((await server.send(`${house.issuer}/readyz`)).status, 503);
      slowest = Math.max(slowest, performance.now() - asked);
      for (const path of ['/livez', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/oauth/jwks'])
        assert.equal((await server.send(house.issuer + path)).status, 200, path);
      await Promise.all(Array.from({ length: 20 }, async (_, n) => assertUnavailable(await ask(n))));
    }
    assert.ok(slowest < READY_MS, `readiness took ${slowest} ms`);
    postgres = await startDatabase();
    const back = await firstSuccess();
    assert.ok(back < BACK_MS, `${back} ms`);
    const growth = server.memory() - memory;
    assert.ok(growth < GROWTH_MB, `${growth} MB`);
    if (process.env['OUTAGE_SECONDS']) console.log({ readyz_ms: slowest, first_success_ms: back, rss_growth_mb: growth });
    assert.equal((await introspect(server, api, access_token))['active'], true);
    assert.equal((await server.send(`${house.issuer}/readyz`)).status, 200);
    assert.equal(server.logged('listening').length, 1);
    assert.equal(server.output(), '', 'it neither ended nor complained past its log');
  });
});
