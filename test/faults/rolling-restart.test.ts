import assert from 'node:assert/strict';
import { Agent, request as ask } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { get, portOf, read, startBalancer } from '../support/balancer.ts';
import { createDatabase, type TestDatabase } from '../support/environment.ts';
import { clientCredentials, createResourceServerClient, type TestClient } from '../support/flow.ts';
import { createHouse, type House, type TestProcess, waitUntil } from '../support/processes.ts';

// REQUESTS=10000 ROUNDS=5 is what docs/operate/faults.md reports.
const REQUESTS = Number(process.env['REQUESTS'] ?? 400);
const ROUNDS = Number(process.env['ROUNDS'] ?? 1);

describe('Stopping a server', () => {
  let database: TestDatabase;
  let house: House;
  let client: TestClient;
  let api: TestClient;

  before(async () => {
    database = await createDatabase();
    house = await createHouse(database.url);
    client = await house.createClient();
  });
  after(async () => {
    await house.close();
    await database.drop();
  });

  it('after SIGTERM /readyz is 503 first; new and idle connections are served, told to close, and refused at the end alone', async () => {
    // So long that nothing but a second signal ends it.
    const node = await house.start({ DRAIN_SECONDS: '300' });
    const port = portOf(node);
    const idle = new Agent({ keepAlive: true, maxSockets: 1 });
    const first = await get(port, '/livez', idle);
    assert.deepEqual([first.status, first.headers.connection], [200, 'keep-alive']);

    const ending = node.kill('SIGTERM');
    await waitUntil(() => node.logged('stopping').length === 1);
    const onIdle = await get(port, '/livez', idle);
    assert.deepEqual([onIdle.status, onIdle.headers.connection, onIdle.reused], [200, 'close', true], 'the connection that was idle');
    const ready = await get(port, '/readyz');
    assert.deepEqual([ready.status, ready.headers.connection], [503, 'close']);
    const metadata = await get(port, '/.well-known/oauth-authorization-server');
    assert.deepEqual([metadata.status, metadata.headers.connection], [200, 'close'], 'a new connection');
    const { access_token } = await clientCredentials(node, client, 'api');
    assert.ok(access_token, 'and the database is there for it');

    process.kill(node.pid, 'SIGTERM');
    assert.deepEqual(await ending, { code: 0, signal: null });
    await assert.rejects(get(port, '/livez'), { code: 'ECONNREFUSED' });
  });

  it('SIGINT, which a keyboard sends, waits for nobody', async () => {
    const node = await house.start({ DRAIN_SECONDS: '300', PORT: '0' });
    assert.deepEqual(await node.kill('SIGINT'), { code: 0, signal: null });
  });

  it('every worker of one port waits', async () => {
    const node = await house.start({ DRAIN_SECONDS: '300', WEB_CONCURRENCY: '2', PORT: '0' });
    await waitUntil(() => node.logged('listening').length === 2);
    const port = portOf(node);
    const ending = node.kill('SIGTERM');
    await waitUntil(() => node.logged('stopping').length === 3);
    for (let n = 0; n < 4; n++) assert.equal((await get(port, '/readyz')).status, 503);
    process.kill(node.pid, 'SIGTERM');
    assert.deepEqual(await ending, { code: 0, signal: null });
  });

  it(`a rolling restart behind a balancer that keeps its connections fails none of ${REQUESTS} requests (${ROUNDS} rounds)`, async (t) => {
    const nodes = [await house.start({ DRAIN_SECONDS: '1', PORT: '0' }), await house.start({ DRAIN_SECONDS: '1', PORT: '0' })];
    const balancer = await startBalancer(nodes.map(portOf));
    let over = false;
    t.after(() => {
      over = true;
      balancer.close();
    });
    api = await createResourceServerClient(nodes[0] as TestProcess);
    for (let round = 0; round < ROUNDS; round++) {
      const { access_token } = await clientCredentials(nodes[0] as TestProcess, client, 'api');
      const agent = new Agent({ keepAlive: true, maxSockets: 20 });
      const wrong: string[] = [];
      let sent = 0;
      let restarted = false;
      const one = async () => {
        // Until the number is reached, and the restart that is under way is over too.
        while (!over && (sent < REQUESTS || !restarted)) {
          sent += 1;
          const answer = await introspect(balancer.port, agent, api, access_token, house.issuer).catch((error) => `failed ${error.code}`);
          if (answer !== '200 true') wrong.push(answer);
          // About a hundred requests a second, as in section 3 of the checklist: what is looked for is a request that is lost, not a crowd.
          await pause(100);
        }
      };
      const load = Promise.all(Array.from({ length: 10 }, one));
      let restarts = 0;
      do {
        for (const index of nodes.keys()) {
          // A new one first, then the old one goes.
          const fresh = await house.start({ DRAIN_SECONDS: '1', PORT: '0' });
          balancer.add(portOf(fresh));
          await balancer.sees(portOf(fresh));
          const old = nodes[index] as TestProcess;
          nodes[index] = fresh;
          assert.deepEqual(await old.kill('SIGTERM'), { code: 0, signal: null });
          balancer.remove(portOf(old));
          restarts += 1;
        }
      } while (sent < REQUESTS);
      restarted = true;
      await load;
      assert.deepEqual(wrong, [], `round ${round}, of ${sent}`);
      if (process.env['ROUNDS']) console.log({ round, restarts, sent, failed: wrong.length });
      agent.destroy();
    }
  });
});

async function introspect(port: number, agent: Agent, api: TestClient, token: string, issuer: string): Promise<string> {
  const body = new URLSearchParams({ token, client_id: api.client_id, client_secret: api.client_secret as string }).toString();
  const headers = { host: new URL(issuer).host, 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length };
  const answer = await read(ask({ port, host: '127.0.0.1', method: 'POST', path: '/oauth/introspect', agent, headers }).end(body));
  return `${answer.status} ${answer.status === 200 ? JSON.parse(answer.body).active : answer.body}`;
}
