import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { call, createMachine, machineToken } from '../support/admin-api.ts';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import { holdTable, waitingForLocks } from '../support/lock.ts';
import { createHouse, type House, waitUntil } from '../support/processes.ts';
import { countRows } from '../support/storage.ts';

describe('A server that is killed while an operator acts at the admin API', () => {
  let steady: TestServer;
  let house: House;
  let url: string;
  let token: string;
  before(async () => {
    const database = await createDatabase();
    url = database.url;
    steady = await startTestServer({}, database);
    token = await machineToken(steady, await createMachine(steady));
    house = await createHouse(url, steady.config);
  });
  after(async () => {
    await house.close();
    await steady.close();
  });

  for (const [table, when] of [
    ['initial_access_token', 'before its change'],
    ['audit_event', 'after its change, before the record of it'],
    ['idempotency_key', 'before the key is taken'],
  ] as const) {
    it(`${when}: the same request with the same Idempotency-Key is done at once by another, and once`, async () => {
      const key = { 'idempotency-key': `killed-${table}` };
      const made = () => countRows(steady, 'initial_access_token where name = $1', [table]);
      const ask = (server: Pick<TestServer, 'issuer' | 'send'>) =>
        call(server as TestServer, token, 'POST /initial-access-tokens', { name: table }, key);
      const victim = await house.start();
      const lock = await holdTable(url, table);
      try {
        const lost = ask(victim).then(
          () => assert.fail('it was answered'),
          () => {},
        );
        await lock.awaited(1);
        await victim.kill('SIGKILL');
        await lost;
      } finally {
        await lock.release();
      }
      await waitUntil(async () => !(await waitingForLocks(steady)).length);
      const first = await ask(steady);
      assert.equal(first.status, 201, JSON.stringify(first.body));
      assert.equal(first.headers.get('idempotency-replayed'), null);
      assert.deepEqual((await ask(steady)).body, first.body);
      assert.equal(await made(), 1);
      assert.equal(await countRows(steady, `audit_event where type = 'initial_access_token_made' and detail->>'name' = $1`, [table]), 1);
    });
  }
});
