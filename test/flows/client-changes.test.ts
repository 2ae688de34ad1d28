import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { createClientCache } from '../../src/oauth/clients/cache.ts';
import { restoreClient, rotateSecret, suspendClient } from '../../src/oauth/clients/store.ts';
import { endClient } from '../../src/oauth/store/grants.ts';
import { randomSecret } from '../../src/platform/secrets.ts';
import { whileDeaf } from '../support/deaf.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import {
  authorizePath,
  clientCredentials,
  createResourceServerClient,
  introspect,
  obtainCode,
  obtainTokens,
  pkce,
  post,
  redeem,
  refresh,
  type TestClient,
} from '../support/flow.ts';
import { waitingForLocks } from '../support/lock.ts';
import { Person } from '../support/person.ts';
import { assertRefused } from '../support/refusals.ts';
import { manage, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

/** A change is written through one node; the other node has the client in memory and must follow. */
describe('A change of a client, on two nodes', () => {
  let server: TestServer;
  let other: TestServer;
  let api: TestClient;
  let person: { email: string; password: string };

  before(async () => {
    server = await startTestServer();
    other = await server.secondNode();
    api = await createResourceServerClient(server);
    person = await server.createPerson();
  });
  after(async () => {
    await other.close();
    await server.close();
  });

  const ask = (node: TestServer, client: TestClient) =>
    post(node, '/oauth/token', client, { grant_type: 'client_credentials', scope: 'api' });
  const isKnown = async (node: TestServer, client: TestClient) => assert.equal((await ask(node, client)).status, 200);
  const refused = (node: TestServer, client: TestClient) => async () => {
    const response = await ask(node, client);
    // Until the node is notified, it still accepts a suspended client's authentication. The database refuses to issue anything, so the
    // answer is 400, not yet 401.
    if (response.status === 200 || response.status === 400) return false;
    await assertRefused(response, 401, 'invalid_client');
    return true;
  };
  const known = async () => {
    const client = await server.createClient();
    for (const node of [server, other]) await isKnown(node, client);
    return client;
  };
  const suspend = async (client: TestClient) => {
    await server.database.query(suspendClient(client.client_id));
    await endClient(server.database, client.client_id);
  };

  it('suspends a client also at a node that was not notified: its tokens are inactive at once, and other clients keep theirs', async () => {
    const [client, neighbour] = [await known(), await known()];
    const held = await obtainTokens(server, client, person);
    const tokens = [held.access_token, String(held.refresh_token), (await clientCredentials(other, client, 'api')).access_token];
    const code = await obtainCode(server, client, person);
    const theirs = await obtainTokens(server, neighbour, person);
    await suspend(client);
    for (const node of [server, other]) for (const token of tokens) assert.deepEqual(await introspect(node, api, token), { active: false });
    await eventually('the other node refuses it', refused(other, client));
    await eventually('so does the one', refused(server, client));
    await unchanged(server, async () => {
      for (const node of [server, other]) {
        await assertRefused(await redeem(node, client, code), 401, 'invalid_client');
        await assertRefused(await refresh(node, client, String(held.refresh_token)), 401, 'invalid_client');
      }
    });
    for (const table of ['token', 'authorization_code', 'grant_record'])
      assert.equal(await countRows(server, `${table} where client_id = $1`, [client.client_id]), 0, table);
    assert.equal((await introspect(other, api, theirs.access_token))['active'], true);

    await server.database.query(restoreClient(client.client_id));
    await eventually('the other node lets it in again', async () => !(await refused(other, client)()));
    assert.deepEqual(await introspect(other, api, tokens[0] as string), { active: false }, 'what was ended stays so');
    await obtainTokens(server, client, person);
  });

  it('shows a page to a browser that a suspended client sends, and redirects nowhere', async () => {
    const client = await known();
    await suspend(client);
    await eventually('it is refused', refused(server, client));
    const { code_verifier: _, ...challenge } = pkce();
    const page = await new Person(server.issuer).open(authorizePath(client, challenge));
    assert.equal(page.response.status, 400);
    assert.equal(page.url.origin, server.issuer);
    assert.match(page.html, /invalid_client/);
  });

  it('ends or prevents what is being issued during a suspension', async () => {
    const client = await known();
    const operator = new pg.Client({ connectionString: server.config.databaseUrl });
    await operator.connect();
    await operator.query('begin');
    const { text, values } = suspendClient(client.client_id);
    await operator.query(text, values);
    // Both nodes still know the client, and have checked its secret before they reach the locked row.
    const answers = [server, other].map((node) => ask(node, client));
    await eventually('both wait', async () => (await waitingForLocks(server)).length >= 2);
    await operator.query('commit');
    await operator.end();
    for (const answer of answers) await assertRefused(await answer, 400, 'invalid_grant');
    assert.equal(await countRows(server, 'token where client_id = $1', [client.client_id]), 2, 'those from before');
    await endClient(server.database, client.client_id);
    assert.equal(await countRows(server, 'token where client_id = $1', [client.client_id]), 0);
  });

  it('ends a large number of tokens in batches', async () => {
    const client = await known();
    await server.sql(
      `insert into token (id, kind, client_id, expires_at, payload)
       select sha256(('hoard ' || n)::bytea), 'ClientCredentials', $1, now() + interval '1 hour', '{}' from generate_series(1, 12000) n`,
      [client.client_id],
    );
    await suspend(client);
    assert.equal(await countRows(server, 'token where client_id = $1', [client.client_id]), 0);
  });

  it("closes a suspended client's registration management, and opens it again with the client", async () => {
    const client = await register(server);
    await suspend(client);
    await eventually('it is refused', refused(server, client));
    await unchanged(server, async () => assertRefused(await manage(server, client, 'GET'), 401, 'invalid_token'));
    await server.database.query(restoreClient(client.client_id));
    await eventually('it may again', async () => (await manage(server, client, 'GET')).status === 200);
  });

  it('lets a rotated secret work on both nodes beside the old one, until that one has ended', async () => {
    const client = await known();
    const renewed = { ...client, client_secret: randomSecret() };
    await server.database.query(rotateSecret(client.client_id, renewed.client_secret, 3_600));
    await eventually('the other node takes the new secret', async () => !(await refused(other, renewed)()));
    await isKnown(other, client);
    await server.sql('update client_secret set expires_at = now() where client_id = $1 and expires_at is not null', [client.client_id]);
    await eventually('the other node refuses the old one', refused(other, client));
    await isKnown(other, renewed);
  });

  it('refuses an expired secret from that moment on, without a notification', async () => {
    const client = await known();
    const renewed = { ...client, client_secret: randomSecret() };
    await server.database.query(rotateSecret(client.client_id, renewed.client_secret, 1));
    await eventually('the other node has the new secret in memory', async () => !(await refused(other, renewed)()));
    await eventually('the old one is refused', refused(other, client));
    const [{ due } = { due: false }] = await server.sql(
      'select bool_or(expires_at <= now()) as due from client_secret where client_id = $1',
      [client.client_id],
    );
    assert.equal(due, true, 'refused before its time');
  });

  it('is picked up after a minute at most, and no later than the first secret expires', async () => {
    let now = 0;
    const hearing = { ...server.database, listen: () => ({ heard: () => true }) };
    const cache = createClientCache(hearing, () => now);
    const [lasting, expiring] = [await known(), await known()];
    await server.database.query(rotateSecret(expiring.client_id, randomSecret(), 30));
    const first = await Promise.all([lasting, expiring].map(({ client_id }) => cache.find(client_id)));
    const isSame = async (n: 0 | 1) => (await cache.find((n ? expiring : lasting).client_id)) === first[n];
    now = 29_000;
    assert.deepEqual([await isSame(0), await isSame(1)], [true, true]);
    now = 30_001;
    assert.deepEqual([await isSame(0), await isSame(1)], [true, false]);
    now = 60_001;
    assert.equal(await isSame(0), false);
  });

  it('is picked up by age at a node that receives no notifications', async () => {
    const client = await known();
    await whileDeaf(server, async () => {
      await isKnown(other, client);
      await suspend(client);
      await eventually('the other node refuses it', refused(other, client));
      assert.equal(await countRows(server, 'token where client_id = $1', [client.client_id]), 0, 'nothing was issued meanwhile');
    });
  });
});
