import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startPostgres } from '../../scripts/bootstrap/postgres.mjs';
import { migrate } from '../../scripts/migrate.ts';
import { freePort } from '../support/environment.ts';
import {
  authorizePath,
  createResourceServerClient,
  introspect,
  obtainCode,
  obtainTokens,
  pkce,
  post,
  redeem,
  refresh,
  type TestClient,
  type Tokens,
} from '../support/flow.ts';
import type { Person } from '../support/person.ts';
import { createHouse, type House, type TestProcess } from '../support/processes.ts';
import { assertRefused } from '../support/refusals.ts';

const ROOT = resolve(import.meta.dirname, '../..');

describe('When a physical backup of the database is restored', () => {
  let folder: string;
  let port: number;
  let postgres: { url: string; stop(): Promise<void> };
  let url: string;
  let house: House;
  let server: TestProcess;
  let client: TestClient;
  let api: TestClient;
  let person: { id: string; email: string; password: string };
  let kept: Awaited<ReturnType<typeof whatStays>>;
  /** What was spent or revoked after the backup, and what was issued after it. */
  let spent: { refreshToken: string; code: Awaited<ReturnType<typeof obtainCode>>; accessToken: string; browser: Person };
  let issued: { refreshToken: string; code: Awaited<ReturnType<typeof obtainCode>> };

  const startDatabase = () => startPostgres(folder, { flags: ['fsync=off', `port=${port}`] });
  const startServer = () => house.start({ PORT: new URL(house.issuer).port });
  const whatStays = () =>
    house.sql(`select
      (select json_agg(c.id order by id) from client c) as clients, (select json_agg(s.digest order by digest) from client_secret s) as secrets,
      (select json_agg(g order by id) from grant_record g) as grants, (select json_agg(u.id order by id) from user_account u) as users,
      (select json_agg(k.kid order by kid) from signing_key k) as keys`);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'munjigi-restored-'));
    port = await freePort();
    postgres = await startDatabase();
    const address = new URL(postgres.url);
    address.port = String(port);
    url = address.href;
    await migrate(url);
    house = await createHouse(url);
    server = await startServer();
    client = await house.createClient();
    api = await createResourceServerClient(server);
    person = await house.createPerson();

    const before = await obtainTokens(server, client, person);
    const other = await obtainTokens(server, client, person);
    const code = await obtainCode(server, client, person, {}, other.person);
    kept = await whatStays();
    await postgres.stop();
    execFileSync('cp', ['-a', join(folder, 'postgres'), join(folder, 'backup')]);
    postgres = await startDatabase();

    const refreshed = (await (await refresh(server, client, String(before.refresh_token))).json()) as Tokens;
    assert.equal((await redeem(server, client, code)).status, 200);
    assert.equal((await post(server, '/oauth/revoke', client, { token: other.access_token })).status, 200);
    assert.equal((await introspect(server, api, other.access_token))['active'], false);
    spent = { refreshToken: String(before.refresh_token), code, accessToken: other.access_token, browser: before.person };
    issued = { refreshToken: String(refreshed.refresh_token), code: await obtainCode(server, client, person, {}, before.person) };
  });
  after(async () => {
    await house?.close();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** @param between what the operator does before the node starts. */
  async function restore(between = () => {}): Promise<void> {
    await server.kill('SIGTERM');
    await postgres.stop();
    rmSync(join(folder, 'postgres'), { recursive: true });
    execFileSync('cp', ['-a', join(folder, 'backup'), join(folder, 'postgres')]);
    postgres = await startDatabase();
    between();
    server = await startServer();
  }

  it('what was spent and revoked since is good again, unless the operator runs the command', async () => {
    await restore();
    assert.equal((await introspect(server, api, spent.accessToken))['active'], true, 'it was revoked');
    assert.equal((await refresh(server, client, spent.refreshToken)).status, 200, 'it was spent');
    assert.equal((await redeem(server, client, spent.code)).status, 200, 'it was spent');
  });

  it('munjigi database after-restore ends it, and all that was issued since; users, clients and consents stay', async () => {
    await restore(() => {
      const env = { PATH: process.env['PATH'], DATABASE_URL: url };
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(ROOT, 'scripts/munjigi.ts'), 'database', 'after-restore', '--yes'],
        {
          env,
          encoding: 'utf8',
        },
      );
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^token +\d+$/m);
    });
    for (const token of [spent.refreshToken, issued.refreshToken])
      await assertRefused(await refresh(server, client, token), 400, 'invalid_grant');
    for (const code of [spent.code, issued.code]) await assertRefused(await redeem(server, client, code), 400, 'invalid_grant');
    assert.deepEqual(await introspect(server, api, spent.accessToken), { active: false });
    assert.deepEqual(await house.sql('select from token'), []);
    assert.deepEqual(await whatStays(), kept);
  });

  it('then users sign in again, and are not asked again for what they allowed', async () => {
    const { code_verifier, ...challenge } = pkce();
    const path = authorizePath(client, challenge);
    const page = await spent.browser.open(path);
    assert.match(page.html, /name="password"/, 'the session of before has ended');
    const answer = await page.submit({ email: person.email, password: person.password });
    const code = answer.url.searchParams.get('code');
    assert(code, `asked at ${answer.url}`);
    const response = await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri });
    const tokens = (await response.json()) as Tokens;
    assert.equal(response.status, 200);
    assert.equal((await introspect(server, api, tokens.access_token))['active'], true);
    assert.equal((await refresh(server, client, String(tokens.refresh_token))).status, 200);
  });
});
