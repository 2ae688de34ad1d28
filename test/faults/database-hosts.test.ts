import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { isUnavailable, openDatabase, Prisma } from '../../src/platform/database.ts';
import { openClient } from '../../src/platform/database-hosts.ts';
import { createLog } from '../../src/platform/log.ts';
import { createDatabase, freePort, type TestDatabase } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';

describe('Which host of DATABASE_URL is connected to', () => {
  let database: TestDatabase;
  let side: pg.Client;
  let mute: Server;

  before(async () => {
    database = await createDatabase();
    side = new pg.Client({ connectionString: database.url });
    await side.connect();
    // Takes connections and says nothing, as a host does whose disk is gone.
    mute = createServer((socket) => socket.on('error', () => {}));
    await once(mute.listen(0, '127.0.0.1'), 'listening');
  });
  after(async () => {
    await side.end();
    mute.close();
    await database.drop();
  });

  const portOf = (url: string) => Number(new URL(url).port);
  /** @param ports of hosts, in this order. */
  const address = (ports: number[], query = '') => {
    const url = new URL(database.url);
    return `${url.href.replace(url.host, ports.map((port) => `127.0.0.1:${port}`).join())}${query}`;
  };
  async function connectedTo(url: string): Promise<number> {
    const client = openClient(url, { connectionTimeoutMillis: 10_000 });
    await client.connect();
    await client.query('select 1').finally(() => client.end());
    return client.port;
  }
  /** How connections that are made from now on begin. */
  const setReadOnly = (value: 'on' | 'off') =>
    side.query(`alter database ${new URL(database.url).pathname.slice(1)} set default_transaction_read_only = ${value}`);

  it('is the first that is right; one that refuses connections, or says nothing, keeps nobody from the next', async () => {
    const right = portOf(database.url);
    const silent = (mute.address() as AddressInfo).port;
    const closed = await freePort();
    for (const ports of [[right], [right, closed], [closed, right], [silent, right], [closed, silent, right]])
      assert.equal(await connectedTo(address(ports)), right, String(ports));
    await assert.rejects(connectedTo(address([closed, closed])), /no database host takes writes: .*ECONNREFUSED.*, .*ECONNREFUSED/);
  });

  it('is what target_session_attrs wants: `primary` may be read-only, `any` may be anything', async () => {
    const right = portOf(database.url);
    const closed = await freePort();
    await setReadOnly('on');
    try {
      await assert.rejects(connectedTo(address([closed, right])), /is read-only/);
      await assert.rejects(connectedTo(address([right], '?target_session_attrs=read-write')), /its server is read-only/);
      for (const target of ['primary', 'any'])
        assert.equal(await connectedTo(address([closed, right], `?target_session_attrs=${target}`)), right);
      assert.equal(await connectedTo(address([right])), right, 'one host is any, unless the address says otherwise');
    } finally {
      await setReadOnly('off');
    }
  });

  it('a wrong password is told as such, and no outage', async () => {
    const url = address([portOf(database.url), await freePort()]).replace(new URL(database.url).password, 'hunter2');
    await assert.rejects(connectedTo(url), (error) => {
      assert.match((error as Error).message, /password authentication failed/);
      return !isUnavailable(error);
    });
  });

  it('a connection whose server refuses to write is thrown away, also where there is one host, behind an address that moves', async () => {
    await setReadOnly('on');
    const other = openDatabase(database.url, createLog('silent'));
    try {
      const pids = Prisma.sql`select pg_backend_pid() as pid`;
      const [written] = await other.change<{ pid: number }>(pids);
      const [pooled] = await other.prisma.$queryRaw<{ pid: number }[]>(pids);
      await setReadOnly('off');
      const write = Prisma.sql`delete from mail where false`;
      const ways = [
        () => other.change(write),
        () => other.transaction([write]),
        () => other.prisma.$transaction(async (transaction) => transaction.$executeRaw(write)),
        () => other.prisma.mail.deleteMany(),
      ];
      await assert.rejects(other.change(write), isUnavailable);
      await assert.rejects(
        other.prisma.$transaction(async (transaction) => transaction.$executeRaw(write)),
        isUnavailable,
      );
      for (const way of ways)
        await eventually('it writes', async () => {
          try {
            await way();
            return true;
          } catch (error) {
            assert.ok(isUnavailable(error), String(error));
            return false;
          }
        });
      const gone = 'select from pg_stat_activity where pid = any($1::int[])';
      await eventually('both are closed', async () => (await side.query(gone, [[written?.pid, pooled?.pid]])).rowCount === 0);
    } finally {
      await setReadOnly('off');
      await other.close();
    }
  });
});
