import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pgbouncerVersion, startPgbouncer } from '../../scripts/bootstrap/pgbouncer.mjs';
import { createDatabase, type TestDatabase } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import {
  clientCredentials,
  createResourceServerClient,
  introspect,
  obtainCode,
  obtainTokens,
  post,
  redeem,
  refresh,
  type TestClient,
  type Tokens,
} from '../support/flow.ts';
import { holdTable, waitingForLocks } from '../support/lock.ts';
import { createHouse, type House, type TestProcess } from '../support/processes.ts';
import { setUses } from '../support/second-use.ts';

const version = await pgbouncerVersion();

describe('Two nodes behind PgBouncer in transaction mode', { skip: version ? false : 'PgBouncer is not on this machine' }, () => {
  let database: TestDatabase;
  let pooler: Awaited<ReturnType<typeof startPgbouncer>>;
  let house: House;
  let one: TestProcess;
  let other: TestProcess;
  let client: TestClient;
  let api: TestClient;
  let person: { email: string; password: string };

  before(async () => {
    database = await createDatabase();
    pooler = await startPgbouncer(database.url);
    house = await createHouse(database.url);
    const through = { DATABASE_URL: pooler.url(database.url), DATABASE_DIRECT_URL: database.url };
    one = await house.start(through);
    other = await house.start(through);
    client = await house.createClient({ refresh_token_grace: 0 });
    api = await createResourceServerClient(one);
    person = await house.createPerson();
  });
  after(async () => {
    await house?.close();
    await pooler?.stop();
    await database?.drop();
  });

  const isActive = async (node: TestProcess, token: string | undefined) => (await introspect(node, api, String(token)))['active'] === true;

  it('redeem a code once, also at the other node; a replay ends its tokens at both', async () => {
    const code = await obtainCode(one, client, person);
    const response = await redeem(other, client, code);
    assert.equal(response.status, 200);
    const tokens = (await response.json()) as Tokens;
    for (const node of [one, other]) assert.equal(await isActive(node, tokens.access_token), true);
    await setUses(house, 1.1);
    assert.equal((await redeem(one, client, code)).status, 400);
    for (const node of [one, other]) assert.equal(await isActive(node, tokens.access_token), false);
  });

  it('accept a refresh token once, and a replay ends the family', async () => {
    const tokens = await obtainTokens(one, client, person);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => refresh(n % 2 ? one : other, client, String(tokens.refresh_token))),
    );
    const won = answers.filter(({ status }) => status === 200);
    assert.equal(won.length, 1);
    for (const { status } of answers) assert.ok([200, 400, 503].includes(status), String(status));
    assert.equal((await refresh(one, client, String(tokens.refresh_token))).status, 400);
    const next = (await won[0]?.json()) as Tokens;
    for (const token of [tokens.access_token, next.access_token]) assert.equal(await isActive(other, token), false);
  });

  it('see a revocation of the other node', async () => {
    const { access_token } = await clientCredentials(one, client);
    assert.equal(await isActive(other, access_token), true);
    assert.equal((await post(one, '/oauth/revoke', client, { token: access_token })).status, 200);
    assert.equal(await isActive(other, access_token), false);
  });

  it('both learn of a change of a client, past the pooler', async () => {
    const changed = await house.createClient();
    for (const node of [one, other]) await clientCredentials(node, changed);
    await house.sql('update client set suspended_at = now() where id = $1', [changed.client_id]);
    for (const node of [one, other])
      await eventually('the node has heard', async () => {
        const { status } = await post(node, '/oauth/token', changed, { grant_type: 'client_credentials' });
        return status === 401;
      });
  });

  it('serve many parallel requests on fewer database connections, without mixing up rows', async () => {
    const tokens = await Promise.all(Array.from({ length: 40 }, (_, n) => clientCredentials(n % 2 ? one : other, client)));
    assert.equal(new Set(tokens.map(({ access_token }) => access_token)).size, 40);
    const states = await Promise.all(tokens.map(({ access_token }, n) => isActive(n % 2 ? other : one, access_token)));
    assert.ok(states.every(Boolean));
    for (const node of [one, other]) {
      assert.deepEqual(
        node.logged('request').filter((line) => Number(line['status']) === 500),
        [],
      );
      assert.equal(node.output(), '');
    }
  });

  it('have statements that take too long ended by the database', async () => {
    const lock = await holdTable(database.url, 'token');
    try {
      const response = await post(one, '/oauth/token', client, { grant_type: 'client_credentials' });
      assert.equal(response.status, 503);
      assert.deepEqual(await waitingForLocks(house), [], 'nothing is left that could be written later');
    } finally {
      await lock.release();
    }
  });

  it('do not start without a time limit on statements', async () => {
    const direct = database.url;
    const { code, output } = await house.startInVain({ DATABASE_URL: `${direct}?pgbouncer=true`, DATABASE_DIRECT_URL: direct });
    assert.equal(code, 1);
    assert.match(output, /statement_timeout .* is off; .*ALTER ROLE "\w+" SET statement_timeout = '1150ms'/);
  });

  it('refuse an undeclared pooler, and a pooler without a direct address, with a clear error', async () => {
    const pooled = pooler.url(database.url);
    const unsaid = { DATABASE_URL: pooled.replace('?pgbouncer=true', ''), DATABASE_DIRECT_URL: database.url, DATABASE_WAIT_SECONDS: '60' };
    const first = await house.startInVain(unsaid);
    assert.match(first.output, /DATABASE_URL leads to a pooler \(unsupported startup parameter: \w+\): add pgbouncer=true/);
    const second = await house.startInVain({ DATABASE_URL: pooled });
    assert.match(second.output, /DATABASE_DIRECT_URL is required where DATABASE_URL has pgbouncer=true/);
    assert.deepEqual([first.code, second.code], [1, 1]);
  });
});
