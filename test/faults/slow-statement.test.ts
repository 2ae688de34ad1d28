import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createDatabase, type TestDatabase } from '../support/environment.ts';
import { callApi, obtainCode, obtainTokens, post, redeem, refresh, type TestClient, type Tokens } from '../support/flow.ts';
import { holdTable, holdToken } from '../support/lock.ts';
import { Person } from '../support/person.ts';
import { createHouse, type House, type TestProcess, waitUntil } from '../support/processes.ts';
import { createWire, type Wire } from '../support/wire.ts';

// The server promises 503 within three seconds. A busy machine may take several times as long, and what hangs waits for the lock, which nobody releases.
const PROMISE_MS = 15_000;
const HANGS_MS = 20_000;

const JSON_TYPE = { 'content-type': 'application/json' };

describe('While statements are slow', () => {
  let database: TestDatabase;
  let wire: Wire;
  let house: House;
  let server: TestProcess;
  let client: TestClient;
  let person: { email: string; password: string };

  before(async () => {
    database = await createDatabase();
    wire = await createWire(database.url);
    house = await createHouse(database.url);
    server = await house.start({ DATABASE_URL: wire.url });
    client = await house.createClient();
    person = await house.createPerson();
  });
  after(async () => {
    await house.close();
    wire.close();
    await database.drop();
  });

  type Answer = { status: number; body: Partial<Tokens> & { error?: string }; retryAfter: string | null };

  /** Each is answered in time. One that the database could not serve says so, and nothing else. */
  async function answered(requests: Promise<Response>[], withinMs = PROMISE_MS): Promise<Answer[]> {
    const begun = performance.now();
    const answers = await Promise.all(
      requests.map(async (request) => {
        const response = await request;
        const text = await response.text();
        const body = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : {};
        return { status: response.status, body, retryAfter: response.headers.get('retry-after'), ms: performance.now() - begun };
      }),
    );
    for (const { status, body, retryAfter, ms } of answers) {
      assert.ok(ms < withinMs, `answered after ${Math.round(ms)} ms with ${status}`);
      if (status === 200) continue;
      assert.deepEqual([status, Number(retryAfter) > 0], [503, true], JSON.stringify(body));
      assert.ok(body.error === undefined || body.error === 'temporarily_unavailable', body.error);
    }
    return answers;
  }

  /** One after the other: what prepares a test is not to be shed by a busy machine. */
  async function refreshTokens(count: number): Promise<string[]> {
    const { person: browser } = await obtainTokens(server, client, person);
    const tokens: string[] = [];
    while (tokens.length < count) {
      const code = await obtainCode(server, client, person, {}, browser);
      tokens.push(((await (await redeem(server, client, code)).json()) as Tokens).refresh_token as string);
    }
    return tokens;
  }

  it('a code whose tokens a trigger holds up: 503, and the code is as good as before', async (t) => {
    const code = await obtainCode(server, client, person);
    await house.sql(`create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$`);
    await house.sql('create trigger dawdle before insert on token for each row execute function dawdle()');
    t.after(() => house.sql('drop trigger if exists dawdle on token'));
    const [answer] = await answered([redeem(server, client, code)]);
    await house.sql('drop trigger dawdle on token');
    assert.equal(answer?.status, 503);
    assert.equal((await redeem(server, client, code)).status, 200);
  });

  it('a refresh token that somebody holds: 503; everyone else is served', async (t) => {
    const [held, ...others] = (await refreshTokens(13)) as [string, ...string[]];
    const { access_token } = await obtainTokens(server, client, person);
    const lock = await holdToken(database.url, held);
    t.after(lock.release);
    const waiting = answered([refresh(server, client, held)]);
    await lock.awaited(1);
    const served = await answered([
      ...others.map((token) => refresh(server, client, token)),
      ...Array.from({ length: 24 }, () => callApi(server, '/api/me', access_token)),
    ]);
    assert.deepEqual([...new Set(served.map(({ status }) => status))], [200]);
    assert.equal((await waiting)[0]?.status, 503);
    await lock.release();
    assert.equal((await refresh(server, client, held)).status, 200);
  });

  it('while every write waits, reads do not: 503 for what must be written, 200 for what is only asked', async (t) => {
    const tokens = await refreshTokens(40);
    const { access_token } = await obtainTokens(server, client, person);
    const lock = await holdTable(database.url, 'token');
    t.after(lock.release);
    const writes = answered(tokens.map((token) => refresh(server, client, token)));
    await lock.awaited(1);
    const reads = await answered(Array.from({ length: 20 }, () => callApi(server, '/api/me', access_token)));
    assert.deepEqual([...new Set(reads.map(({ status }) => status))], [200]);
    assert.deepEqual([...new Set((await writes).map(({ status }) => status))], [503]);
    await lock.release();
    await settled();
    for (const token of tokens) assert.equal((await refresh(server, client, token)).status, 200, 'what was told 503 was not done');
  });

  it('while even reads wait: 503 for all, among them readiness; liveness answers', async (t) => {
    const [token] = (await refreshTokens(1)) as [string];
    const lock = await holdTable(database.url, 'token', 'access exclusive');
    t.after(lock.release);
    const answers = await answered([
      ...Array.from({ length: 20 }, () => refresh(server, client, token)),
      ...Array.from({ length: 20 }, (_, n) => callApi(server, '/api/me', `unknown-${n}`)),
    ]);
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [503]);
    assert.equal((await server.send(`${house.issuer}/livez`)).status, 200);
    await lock.release();
    assert.equal((await refresh(server, client, token)).status, 200);
  });

  it('while the database neither answers nor hangs up: the same, and readiness says so in time', async (t) => {
    const [token] = (await refreshTokens(1)) as [string];
    const { access_token } = await obtainTokens(server, client, person);
    wire.silence();
    t.after(wire.mend);
    const ready = server.send(`${house.issuer}/readyz`, { signal: AbortSignal.timeout(PROMISE_MS) });
    const answers = await answered([
      refresh(server, client, token),
      callApi(server, '/api/me', access_token),
      new Person(house.issuer).request('/oauth/logout'),
    ]);
    assert.deepEqual(
      answers.slice(0, 2).map(({ status }) => status),
      [503, 503],
    );
    assert.equal((await ready).status, 503);
    wire.mend();
    // Mending closes every connection. The server learns it in a moment, and a statement sent before that is lost.
    await waitUntil(async () => (await server.send(`${house.issuer}/readyz`)).status === 200);
    await waitUntil(async () => (await refresh(server, client, token)).status === 200);
  });

  it('a pool that is full sheds what it cannot take, hangs nobody, and is as before when the fault has gone (200 clients, 10 connections)', async (t) => {
    const resource = `${house.issuer}/api/posts`;
    const granted = await post(server, '/oauth/token', client, {
      grant_type: 'client_credentials',
      resource,
      scope: 'posts:read posts:write',
    });
    const { access_token } = (await granted.json()) as Tokens;
    const write = (title: string) =>
      callApi(server, '/api/posts', access_token, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ title, body: '.' }) });
    assert.equal((await write('before')).status, 201);
    const [token] = (await refreshTokens(1)) as [string];
    const lock = await holdTable(database.url, 'post');
    t.after(lock.release);
    const writes = answered(
      Array.from({ length: 200 }, (_, n) => write(`full ${n}`)),
      HANGS_MS,
    );
    await lock.awaited(10);
    // Whatever does not need the pool goes on.
    const [refreshed] = await answered([refresh(server, client, token)]);
    assert.equal(refreshed?.status, 200);
    assert.deepEqual([...new Set((await writes).map(({ status }) => status))], [503]);
    await lock.release();
    await settled();
    assert.deepEqual(await house.sql('select title from post'), [{ title: 'before' }], 'what was told 503 was not done');
    const titles = Array.from({ length: 200 }, (_, n) => `after ${n}`);
    // As many at once as there are connections: on a busy machine more of them would be shed again.
    for (let from = 0; from < titles.length; from += 10)
      for (const { status } of await Promise.all(titles.slice(from, from + 10).map(write))) assert.equal(status, 201);
    const stored = (await house.sql("select title from post where title like 'after %'")).map(({ title }) => title);
    assert.deepEqual(stored.sort(), titles.sort());
  });

  /** Until no statement of the server's runs. */
  const settled = () =>
    waitUntil(
      async () =>
        !(
          await house.sql(
            "select from pg_stat_activity where datname = current_database() and state = 'active' and pid <> pg_backend_pid()",
          )
        ).length,
    );
});
