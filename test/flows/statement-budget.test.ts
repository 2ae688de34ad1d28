import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import {
  approve,
  authorizePath,
  callApi,
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
import { createReaching, exchange } from '../support/linked.ts';
import { setUses } from '../support/second-use.ts';
import { addProvider, startUpstream } from '../support/upstream.ts';
import { createWire } from '../support/wire.ts';

/** How many statements each request may cost, counted on the wire, when the node already knows the client. */
describe('The budget of statements', () => {
  let server: TestServer;
  let wire: Awaited<ReturnType<typeof createWire>>;
  let client: TestClient;
  let api: TestClient;
  let person: { email: string; password: string };
  let tokens: Awaited<ReturnType<typeof obtainTokens>>;
  let statements = 0;

  before(async () => {
    const database = await createDatabase();
    // Errors are written some seconds later, and must not count as a cost of a later request.
    wire = await createWire(database.url, (moment, text) => {
      if (moment === 'arrives' && !text.includes('client_error')) statements += 1;
    });
    server = await startTestServer({ databaseUrl: wire.url }, database);
    client = await server.createClient();
    api = await createResourceServerClient(server);
    person = await server.createPerson();
    tokens = await obtainTokens(server, client, person, { scope: 'openid profile' });
    await introspect(server, api, tokens.access_token);
  });
  after(async () => {
    await server.close();
    wire.close();
  });

  async function cost(work: () => Promise<unknown>): Promise<number> {
    const before = statements;
    await work();
    return statements - before;
  }

  it('introspection: 1', async () => {
    const { access_token } = await clientCredentials(server, client, 'api');
    for (const token of [tokens.access_token, access_token, 'unknown']) assert.equal(await cost(() => introspect(server, api, token)), 1);
  });

  it('introspection of a JWT: 1', async () => {
    const resource = `${server.issuer}/api/posts`;
    const posts = await server.createClient({ introspects: resource });
    const { access_token } = await obtainTokens(server, client, person, { scope: 'openid posts:read', resource }, { resource });
    await introspect(server, posts, 'unknown');
    assert.equal(await cost(async () => assert.equal((await introspect(server, posts, access_token))['active'], true)), 1);
  });

  it('userinfo: 1', async () => {
    assert.equal(await cost(() => callApi(server, '/oauth/userinfo', tokens.access_token)), 1);
  });

  it('client credentials: 1', async () => {
    assert.equal(await cost(() => clientCredentials(server, client, 'api')), 1);
  });

  it('code exchange: 2', async () => {
    const code = await obtainCode(server, client, person, {}, tokens.person);
    assert.equal(await cost(async () => assert.equal((await redeem(server, client, code)).status, 200)), 2);
  });

  it('refresh: 2, including the stored answer; a repeat: 2, which only read; a replay: 3, and a transaction around the last', async () => {
    const patient = await server.createClient({ refresh_token_grace: 60 });
    const { refresh_token } = await obtainTokens(server, patient, person);
    const use = (status: number) =>
      cost(async () => assert.equal((await refresh(server, patient, refresh_token as string)).status, status));
    assert.equal(await use(200), 2);
    assert.equal(await use(200), 2);
    await setUses(server, 61);
    assert.equal(await use(400), 3);
  });

  it('refresh without rotation: 2', async () => {
    const lasting = await server.createClient({ refresh_token_rotation: false });
    const { refresh_token } = await obtainTokens(server, lasting, person);
    assert.equal(await cost(async () => assert.equal((await refresh(server, lasting, refresh_token as string)).status, 200)), 2);
  });

  it('revocation: 2, of an access token and of a refresh token with its family', async () => {
    for (const kind of ['access_token', 'refresh_token'] as const) {
      const token = (await obtainTokens(server, client, person))[kind] as string;
      assert.equal(await cost(async () => assert.equal((await post(server, '/oauth/revoke', client, { token })).status, 200)), 2);
    }
  });

  it('authorization with a live session and consent: 3', async () => {
    const { code_verifier: _, ...challenge } = pkce();
    // The revocation above ended the user's only grant to the client.
    await approve(server, tokens.person, person, authorizePath(client, challenge));
    assert.ok((await cost(() => approve(server, tokens.person, person, authorizePath(client, challenge)))) <= 3);
  });

  it('token exchange with a stored token: 6, one of which counts and one of which records it for the user', async () => {
    const upstream = await startUpstream();
    try {
      await addProvider(server, upstream, { services: ['notes.read'] });
      const { client: app, accessToken } = await createReaching(server, upstream);
      const work = async () => assert.equal((await exchange(server, app, accessToken)).status, 200);
      await work();
      assert.equal(await cost(work), 6);
    } finally {
      await upstream.close();
    }
  });
});
