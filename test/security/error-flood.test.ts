import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { deleteClient } from '../../src/oauth/clients/store.ts';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, pkce, post, type TestClient } from '../support/flow.ts';
import { liveOnce } from '../support/whole-flow.ts';
import { createWire } from '../support/wire.ts';

describe('The stored errors of clients under attack', () => {
  let server: TestServer;
  let wire: Awaited<ReturnType<typeof createWire>>;
  let client: TestClient;
  before(async () => {
    const database = await createDatabase();
    wire = await createWire(database.url);
    server = await startTestServer({ databaseUrl: wire.url }, database);
    client = await server.createClient();
  });
  after(async () => {
    await server.close();
    wire.close();
  });

  const wrong = (of: TestClient, n: number) =>
    server.send(new URL(authorizePath(of, { ...pkce(), redirect_uri: `https://attacker.example/${n}` }), server.issuer), {
      redirect: 'manual',
    });
  const count = async (of: TestClient) =>
    Number((await server.sql('select count(*) from client_error where client_id = $1', [of.client_id]))[0]?.['count']);

  it('are a hundred rows, the newest, after a thousand wrong requests, without a statement for each', async () => {
    await wrong(client, 0);
    const before = wire.statements();
    for (let n = 0; n < 1_000; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => wrong(client, n + i)));
    const last = await wrong(client, 1_000);
    await eventually('the last is kept', async () => {
      const rows = await server.sql('select request_id from client_error where client_id = $1', [client.client_id]);
      return rows.some(({ request_id }) => request_id === last.headers.get('x-request-id'));
    });
    assert.equal(await count(client), 100);
    // At most one every half second, independent of the server's other work.
    const cost = wire.statements() - before;
    assert(cost < 300, `${cost} statements`);
  });

  it("are one row with a number when they are equal; strangers' errors do not displace the client's own", async () => {
    const own = await server.createClient();
    const asked = await post(server, '/oauth/token', own, { grant_type: 'authorization_code', code: 'x', redirect_uri: 'x' });
    assert.equal(asked.status, 400);
    const before = { ...own, client_secret: 'wrong' };
    await post(server, '/oauth/token', before, { grant_type: 'authorization_code', code: 'x' });
    for (let n = 0; n < 300; n += 50) {
      await Promise.all(Array.from({ length: 50 }, () => wrong(own, 0)));
      await Promise.all(Array.from({ length: 25 }, (_, i) => wrong(own, 1 + n + i)));
      await Promise.all(
        Array.from({ length: 25 }, (_, i) => post(server, '/oauth/token', before, { grant_type: 'refresh_token', scope: `s${n + i}` })),
      );
    }
    const rows = async () =>
      (await server.sql(
        `select error, detail->>'sender' as sender, (detail->>'times')::int as times, detail->>'redirect_uri' as sent from client_error where client_id = $1`,
        [own.client_id],
      )) as { error: string; sender: string; times: number; sent: string }[];
    await eventually('all are kept', async () => {
      const kept = await rows();
      const [equal] = kept.filter(({ sent }) => sent === 'https://attacker.example/0');
      return equal?.times === 300 && kept.length === 100 + 100 + 1;
    });
    assert.deepEqual(
      (await rows()).filter(({ sender }) => sender === 'client').map(({ error, times }) => [error, times]),
      [['invalid_grant', 1]],
    );
  });

  it('are not attributed to a client by a header that the library reads before the secret', async () => {
    const own = await server.createClient();
    for (const headers of [{ 'oauth-client-attestation': 'x' }, { 'oauth-client-attestation-pop': 'x' }] as Record<string, string>[])
      await post(server, '/oauth/token', undefined, { grant_type: 'client_credentials', client_id: own.client_id }, headers);
    await eventually('it is kept', async () => (await count(own)) > 0);
    const senders = await server.sql(`select distinct detail->>'sender' as sender from client_error where client_id = $1`, [own.client_id]);
    assert.deepEqual(senders, [{ sender: 'anyone' }]);
  });

  it('of a client deleted meanwhile do not affect those of other clients', async () => {
    const [gone, stays] = await Promise.all([server.createClient(), server.createClient()]);
    await Promise.all([wrong(gone, 1), wrong(stays, 1)]);
    await server.database.change(deleteClient(gone.client_id));
    await eventually('it is kept', async () => (await count(stays)) === 1);
    assert.equal(await count(gone), 0);
  });

  it('of a request with thousands of parameters are stored without comparing each text with each parameter', async () => {
    const own = await server.createClient();
    const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`p${n}`, `secret-${n}`]));
    await post(server, '/oauth/token', own, { grant_type: 'refresh_token', refresh_token: 'x', scope: 'secret-7 secret-8', ...many });
    await eventually('it is kept', async () => (await count(own)) === 1);
    const [row] = await server.sql(`select detail->>'scope' as scope, to_jsonb(e)::text as all from client_error e where client_id = $1`, [
      own.client_id,
    ]);
    assert.equal(row?.['scope'], '…');
    assert.doesNotMatch(String(row['all']), /secret-/);
  });

  it('with text that Postgres cannot store do not affect the others', async () => {
    const own = await server.createClient();
    await post(server, '/oauth/token', own, {
      grant_type: 'refresh_token',
      refresh_token: 'x\u0000y',
      scope: 'a\u0000b',
      redirect_uri: '\u0000',
    });
    await post(server, '/oauth/token', own, { grant_type: '홍길동\u0000\u202e' });
    await wrong(own, 1);
    await eventually('they are kept', async () => (await count(own)) >= 2);
  });

  it('contain no secret, code, token, verifier or state', async () => {
    const secrets = await liveOnce(server);
    const own = await server.createClient();
    const marks = Object.fromEntries(
      ['state', 'nonce', 'code', 'code_verifier', 'refresh_token', 'token', 'login_hint', 'id_token_hint'].map((name) => [
        name,
        `canary-${name}-canary`,
      ]),
    );
    await post(server, '/oauth/token', { ...own, client_secret: 'canary-secret-canary' }, { grant_type: 'authorization_code', ...marks });
    await post(server, '/oauth/token', own, {
      grant_type: 'authorization_code',
      ...marks,
      client_assertion: '',
      scope: marks['code'] ?? '',
    });
    await server.send(new URL(authorizePath(own, { ...marks, response_type: 'canary', prompt: marks['state'] }), server.issuer), {
      redirect: 'manual',
    });
    await eventually('they are kept', async () => (await count(own)) >= 3);
    const kept = JSON.stringify(await server.sql('select * from client_error'));
    for (const [name, value] of Object.entries({ ...secrets, ...marks, secret: 'canary-secret-canary' }))
      assert(!kept.includes(value), `${name} is in the book of errors`);
  });
});
