import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createDatabase, type TestDatabase } from '../support/environment.ts';
import { clientCredentials, createResourceServerClient, introspect, type TestClient } from '../support/flow.ts';
import { holdTable } from '../support/lock.ts';
import { createHouse, type House, type TestProcess, waitUntil } from '../support/processes.ts';

const WORKERS = 3;

describe('WEB_CONCURRENCY', () => {
  let database: TestDatabase;
  let house: House;
  let primary: TestProcess;
  let client: TestClient;

  before(async () => {
    database = await createDatabase();
    house = await createHouse(database.url);
    client = await house.createClient();
    primary = await house.start({ WEB_CONCURRENCY: String(WORKERS) });
    await listened(WORKERS);
  });
  after(async () => {
    await house.close();
    await database.drop();
  });

  const listened = (times: number) => waitUntil(() => primary.logged('listening').length >= times);
  const workerPids = (parent = primary.pid) => children(parent);
  /** Each on a connection of its own, so that each may meet another worker. */
  const ask = (path: string) => fetch(house.issuer + path, { headers: { connection: 'close' } });
  const whoAnswered = async (requests: number) => {
    const before = primary.logged('http_request').length;
    const answers = await Promise.all(Array.from({ length: requests }, () => ask('/readyz')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    await waitUntil(() => primary.logged('http_request').length >= before + requests);
    return new Set(
      primary
        .logged('http_request')
        .slice(before)
        .map(({ worker }) => worker),
    );
  };

  it(`${WORKERS} processes answer on one port, and know of one another by the database`, async () => {
    assert.equal(workerPids().length, WORKERS);
    assert.equal((await whoAnswered(20)).size, WORKERS);
    const api = await createResourceServerClient(primary);
    const { access_token } = await clientCredentials(primary, client, 'api');
    for (let n = 0; n < 2 * WORKERS; n++) {
      const own = { ...primary, send: ((url, init) => fetch(url, closing(init))) as typeof fetch };
      assert.equal((await introspect(own, api, access_token))['active'], true);
    }
  });

  it('a worker that is killed is replaced; the others answer meanwhile', async () => {
    const times = primary.logged('listening').length;
    const [victim] = workerPids() as [number];
    process.kill(victim, 'SIGKILL');
    await waitUntil(() => primary.logged('worker_died').length === 1);
    assert.equal(workerPids().length, WORKERS - 1);
    assert.equal((await whoAnswered(10)).size, WORKERS - 1);
    const [death] = primary.logged('worker_died');
    assert.deepEqual({ pid: death?.['pid'], signal: death?.['signal'] }, { pid: victim, signal: 'SIGKILL' });
    await listened(times + 1);
    const answered = await whoAnswered(20);
    assert.equal(answered.size, WORKERS);
    assert.ok(!answered.has(death?.['worker']));
  });

  it('on SIGTERM workers finish what is under way, and no process is left', async () => {
    const pids = workerPids();
    // Half an introspection is under way, which is answered in front of the application.
    const asked = await askHalf(house, client);
    // A request that waits for a lock is under way when the signal comes.
    const lock = await holdTable(database.url, 'client');
    const underWay = house.createClient().then(
      () => 'created',
      (error) => error,
    );
    const issuing = fetch(`${house.issuer}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_name: 'Late', redirect_uris: ['https://late.example/cb'] }),
    });
    await lock.awaited(2);
    const ending = primary.kill('SIGTERM');
    await waitUntil(() => primary.logged('stopping').length > WORKERS);
    await lock.release();
    const late = await issuing;
    assert.equal(late.status, 201);
    assert.equal(late.headers.get('connection'), 'close', 'a connection that is kept holds up the end');
    assert.match(await asked.finish(), /^HTTP\/1\.1 200 .*\r\nConnection: close\r\n/is);
    assert.equal(await underWay, 'created');
    assert.deepEqual(await ending, { code: 0, signal: null });
    assert.deepEqual(pids.filter(isAlive), []);
    assert.deepEqual(primary.logged('worker_died').length, 1, 'who was told to end is not replaced');
    await assert.rejects(ask('/livez'));
  });

  it('workers do not outlive a primary that was killed', async () => {
    const orphaned = await house.start({ WEB_CONCURRENCY: '2' });
    await waitUntil(() => orphaned.logged('listening').length === 2);
    const pids = workerPids(orphaned.pid);
    assert.equal(pids.length, 2);
    await orphaned.kill('SIGKILL');
    await waitUntil(() => !pids.some(isAlive));
  });

  it('says once, in a sentence, why no worker can start, and exits 1', async (t) => {
    const squatter = createServer().listen(0, '127.0.0.1');
    t.after(() => squatter.close());
    await once(squatter, 'listening');
    const { port } = squatter.address() as { port: number };
    const cases: [Record<string, string>, RegExp][] = [
      [{ PORT: String(port) }, /^Munjigi cannot start: port \d+ is in use\..*\n$/],
      [
        { DATABASE_URL: 'postgres://nobody:x@127.0.0.1:1/none' },
        /^Munjigi cannot start: the database at DATABASE_URL does not answer.*\n$/,
      ],
      [{ WEB_CONCURRENCY: 'many' }, /^Munjigi cannot start: the configuration has a problem:\n.*WEB_CONCURRENCY must be.*\n$/],
    ];
    for (const [variables, sentence] of cases) {
      const { code, output } = await house.startInVain({ WEB_CONCURRENCY: '3', ...variables });
      assert.equal(code, 1);
      assert.match(output, sentence);
    }
  });
});

function closing(init: RequestInit = {}): RequestInit {
  return { ...init, headers: { ...(init.headers as Record<string, string>), connection: 'close' } };
}

/** Begins a request and leaves its body unfinished. @returns how to send the rest and read the answer to its end. */
async function askHalf({ issuer }: House, { client_id, client_secret }: TestClient) {
  const { host, port } = new URL(issuer);
  const body = new URLSearchParams({ token: 'x'.repeat(43), client_id, client_secret: String(client_secret) }).toString();
  const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
  socket.write(
    `POST /oauth/introspect HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 9)}`,
  );
  await once(socket, 'connect');
  return {
    async finish(): Promise<string> {
      socket.write(body.slice(9));
      let answer = '';
      for await (const text of socket) answer += text;
      return answer;
    },
  };
}

function children(parent: number): number[] {
  return execFileSync('ps', ['-eo', 'pid=,ppid=,stat='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, ppid, stat]) => Number(ppid) === parent && !stat?.startsWith('Z'))
    .map(([pid]) => Number(pid))
    .filter((pid) => commandOf(pid).includes('main.ts'));
}

function commandOf(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

function isAlive(pid: number): boolean {
  return commandOf(pid).includes('main.ts');
}
