import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { LISTENER_NAME } from '../../src/platform/listen.ts';
import { type Cluster, type Clusters, startClusters } from '../support/clusters.ts';
import { eventually } from '../support/eventually.ts';
import {
  clientCredentials,
  createResourceServerClient,
  introspect,
  obtainTokens,
  post,
  refresh,
  type TestClient,
} from '../support/flow.ts';
import { createHouse, type House, type TestProcess } from '../support/processes.ts';

/** The house itself looks past the server, on connections of its own. */
const connectionsTo = async (cluster: Cluster, where = 'true') =>
  Number(
    (
      await cluster.sql(`select count(*) as n from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name <> 'house' and ${where}`)
    )[0]?.['n'],
  );
const hears = async (cluster: Cluster) => (await connectionsTo(cluster, `application_name = '${LISTENER_NAME}'`)) > 0;

/** Asks until it is answered 200; until then the answer is 503, and nothing else. */
async function eventuallyIssued(server: TestProcess, client: TestClient): Promise<number> {
  return eventually('a token is issued', async () => {
    const response = await post(server, '/oauth/token', client, { grant_type: 'client_credentials' });
    if (response.status !== 200) assert.equal(response.status, 503, await response.text());
    return response.status === 200;
  });
}

describe('When the primary dies and its standby is promoted, and DATABASE_URL names both', () => {
  let clusters: Clusters;
  let house: House;
  let server: TestProcess;
  let client: TestClient;
  let api: TestClient;

  before(async () => {
    clusters = await startClusters({ standby: true });
    const { one, other } = clusters;
    house = await createHouse(clusters.url([one], '?application_name=house'));
    // The standby first: it is not the one that takes writes.
    server = await house.start({ DATABASE_URL: clusters.url([other, one], '?target_session_attrs=read-write') });
    client = await house.createClient();
    api = await createResourceServerClient(server);
  });
  after(async () => {
    await house?.close();
    await clusters?.close();
  });

  it('the server connects to the host that takes writes, then follows to the other one, its LISTEN too, and what was issued holds', async () => {
    const { one, other } = clusters;
    assert.equal(await connectionsTo(other), 0, 'a standby is asked what it is, and left');
    const person = await house.createPerson();
    const tokens = await obtainTokens(server, client, person);
    await eventually('it hears', () => hears(one));
    const behind = 'select coalesce(max(pg_wal_lsn_diff(sent_lsn, replay_lsn)), 1) as n from pg_stat_replication';
    await eventually('the standby has it all', async () => Number((await one.sql(behind))[0]?.['n']) === 0);

    await one.stop();
    assert.equal((await post(server, '/oauth/token', client, { grant_type: 'client_credentials' })).status, 503);
    await other.sql('select pg_promote()');
    const waited = await eventuallyIssued(server, client);
    if (process.env['FIGURES']) console.log({ promoted_to_first_token_ms: Math.round(waited) });
    assert.equal((await introspect(server, api, tokens.access_token))['active'], true);
    assert.equal((await refresh(server, client, tokens.refresh_token as string)).status, 200);
    assert.equal((await server.send(`${house.issuer}/readyz`)).status, 200);

    await eventually('it hears at the new primary', () => hears(other));
    await other.sql(`update client set suspended_at = now() where id = '${client.client_id}'`);
    await eventually('a change that it is told of there is heard', async () => {
      const response = await post(server, '/oauth/token', client, { grant_type: 'client_credentials' });
      return response.status === 401;
    });
    assert.equal(server.output(), '', 'it neither ended nor complained past its log');
  });
});

describe('When a primary becomes read-only, and another host of DATABASE_URL takes writes', () => {
  let clusters: Clusters;
  let house: House;
  let server: TestProcess;
  let client: TestClient;

  const setReadOnly = async (cluster: Cluster, value: 'on' | 'off') => {
    await cluster.sql(`alter system set default_transaction_read_only = ${value}`);
    await cluster.sql('select pg_reload_conf()');
  };
  const tokensIn = async (cluster: Cluster) => Number((await cluster.sql('select count(*) as n from token'))[0]?.['n']);

  before(async () => {
    clusters = await startClusters({ standby: false });
    const { one, other } = clusters;
    house = await createHouse(clusters.url([one], '?application_name=house'));
    client = await house.createClient();
    // The other one as a standby of it would be.
    const [row] = await one.sql(`select to_jsonb(c)::text as json from client c where id = '${client.client_id}'`);
    const [secret] = await one.sql(`select to_jsonb(s)::text as json from client_secret s where client_id = '${client.client_id}'`);
    const quoted = (json: unknown) => `'${String(json).replaceAll("'", "''")}'`;
    await other.sql(`insert into client select * from jsonb_populate_record(null::client, ${quoted(row?.['json'])})`);
    await other.sql(`insert into client_secret select * from jsonb_populate_record(null::client_secret, ${quoted(secret?.['json'])})`);
    server = await house.start({ DATABASE_URL: clusters.url([one, other]) });
  });
  after(async () => {
    await house?.close();
    await clusters?.close();
  });

  it('read-write is what several hosts mean; every connection leaves the one that refuses, also those that only read', async () => {
    const { one, other } = clusters;
    const { access_token } = await clientCredentials(server, client);
    assert.ok(access_token);
    assert.deepEqual([await tokensIn(one), await tokensIn(other)], [1, 0], 'the first that takes writes');
    await eventually('it hears', () => hears(one));

    await setReadOnly(one, 'on');
    await eventuallyIssued(server, client);
    assert.deepEqual([await tokensIn(one), await tokensIn(other)], [1, 1]);
    await eventually('it hears at the other one', () => hears(other));
    await eventually('no connection of the server stays', async () => (await connectionsTo(one)) === 0);
  });

  it('comes back when the other one refuses in turn', async () => {
    const { one, other } = clusters;
    await setReadOnly(one, 'off');
    await setReadOnly(other, 'on');
    await eventuallyIssued(server, client);
    assert.equal(await tokensIn(one), 2);
    await eventually('it hears', () => hears(one));
  });

  it('is not ready while no host takes writes, says why, and goes on by itself', async () => {
    const { one, other } = clusters;
    const before = await tokensIn(one);
    await setReadOnly(one, 'on');
    await eventually('it is not ready', async () => {
      await post(server, '/oauth/token', client, { grant_type: 'client_credentials' });
      return (await server.send(`${house.issuer}/readyz`)).status === 503;
    });
    assert.deepEqual([await tokensIn(one), await tokensIn(other)], [before, 1]);
    const { code, output } = await house.startInVain({ DATABASE_URL: clusters.url([one, other]) });
    assert.equal(code, 1);
    assert.match(output, /no database host takes writes: 127\.0\.0\.1:\d+ is read-only, 127\.0\.0\.1:\d+ is read-only/);
    await setReadOnly(one, 'off');
    await eventuallyIssued(server, client);
  });
});
