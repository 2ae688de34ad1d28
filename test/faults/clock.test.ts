import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { createDatabase, type TestDatabase } from '../support/environment.ts';
import { createResourceServerClient, introspect, obtainTokens, refresh, type TestClient, type Tokens } from '../support/flow.ts';
import { createHouse, type House, type TestProcess, waitUntil } from '../support/processes.ts';

const HOUR_MS = 3_600_000;
// What a slow machine takes between two looks at a clock.
const APART_SECONDS = 15;

describe('A node whose clock is off', () => {
  let database: TestDatabase;
  let house: House;
  let right: TestProcess;
  const off: Record<string, TestProcess> = {};
  let client: TestClient;
  let api: TestClient;

  const startShifted = (ms: number) =>
    house.start({
      PORT: '0',
      CLOCK_SHIFT_MS: String(ms),
      NODE_OPTIONS: `--import=${resolve(import.meta.dirname, '../support/shifted-clock.mjs')}`,
    });

  before(async () => {
    database = await createDatabase();
    house = await createHouse(database.url);
    right = await house.start();
    off['an hour ahead'] = await startShifted(HOUR_MS);
    off['an hour behind'] = await startShifted(-HOUR_MS);
    client = await house.createClient({ scope: 'openid profile offline_access' });
    api = await createResourceServerClient(right);
  });
  after(async () => {
    await house.close();
    await database.drop();
  });

  const databaseSeconds = async () => Number((await house.sql('select extract(epoch from clock_timestamp()) as now'))[0]?.['now']);
  const about = (seconds: unknown, wanted: number, what: string) =>
    assert.ok(Math.abs(Number(seconds) - wanted) < APART_SECONDS, `${what}: ${seconds}, not ${wanted}`);

  for (const [which, hours] of [
    ['an hour ahead', -1],
    ['an hour behind', 1],
  ] as const) {
    it(`says so once, ${which}`, async () => {
      const node = off[which] as TestProcess;
      await waitUntil(() => node.logged('clock_differs').length > 0);
      about(node.logged('clock_differs')[0]?.['behind_database_seconds'], hours * 3_600, 'the difference');
      assert.equal(node.logged('clock_differs').length, 1);
    });

    it(`issues by the database's clock, ${which}, and what it issues holds on every node`, async () => {
      const node = off[which] as TestProcess;
      const person = await house.createPerson();
      const tokens = await obtainTokens(node, client, person, { scope: 'openid profile' });
      const now = await databaseSeconds();
      const claims = decodeJwt(tokens.id_token as string);
      about(claims.iat, now, 'iat');
      about(claims['auth_time'] ?? claims.iat, now, 'auth_time');
      const here = await introspect(node, api, tokens.access_token);
      const there = await introspect(right, api, tokens.access_token);
      assert.deepEqual(here, there);
      const own = await introspect(right, client, tokens.access_token);
      about(own['iat'], now, 'iat of the token');
      const { refresh_token } = tokens;
      const again = await refresh(right, client, refresh_token as string);
      assert.equal(again.status, 200, 'a node whose clock is right takes it');
      const next = (await again.json()) as Tokens;
      assert.equal((await refresh(node, client, next.refresh_token as string)).status, 200, 'and the other way round');
      assert.ok((await node.send(`${house.issuer}/readyz`)).ok);
    });
  }

  it('a node whose clock is right says nothing', () => {
    assert.deepEqual(right.logged('clock_differs'), []);
  });
});
