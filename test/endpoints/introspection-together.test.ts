import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials, createResourceServerClient, introspect, obtainTokens, post, type TestClient } from '../support/flow.ts';
import { createWire } from '../support/wire.ts';

/** What is asked at the same moment goes to the database as one question: nobody may hear another's answer. */
describe('Introspections of the same moment', () => {
  let server: TestServer;
  let wire: Awaited<ReturnType<typeof createWire>>;
  let clients: TestClient[];
  let api: TestClient;
  let tokens: string[];

  before(async () => {
    const database = await createDatabase();
    wire = await createWire(database.url);
    server = await startTestServer({ databaseUrl: wire.url }, database);
    api = await createResourceServerClient(server);
    clients = await Promise.all(Array.from({ length: 8 }, () => server.createClient()));
    tokens = (await Promise.all(clients.map((client) => clientCredentials(server, client, 'api')))).map(({ access_token }) => access_token);
    await Promise.all([api, ...clients].map((client) => introspect(server, client, 'unknown')));
  });
  after(async () => {
    await server.close();
    wire.close();
  });

  it('each hear the answer to their own question, from fewer statements than questions', async () => {
    const before = wire.statements();
    const questions = Array.from({ length: 25 }, () =>
      clients.flatMap((client) => tokens.map((token, n) => ({ client, token, n }))),
    ).flat();
    const answers = await Promise.all(questions.map(({ client, token }) => introspect(server, client, token)));
    for (const [n, answer] of answers.entries()) {
      const { client, n: owner } = questions[n] as (typeof questions)[number];
      if (clients[owner] === client) assert.equal(answer['client_id'], client.client_id);
      else assert.deepEqual(answer, { active: false });
    }
    const statements = wire.statements() - before;
    assert.ok(statements < questions.length, `${statements} statements for ${questions.length} questions`);
  });

  it('tell of the person to the own API alone', async () => {
    const [client] = clients as [TestClient];
    const { access_token } = await obtainTokens(server, client, await server.createPerson(), { scope: 'openid profile email' });
    const [told, untold] = await Promise.all([introspect(server, api, access_token), introspect(server, client, access_token)]);
    assert.equal(told['active'] && untold['active'], true);
    assert.ok(told['email']);
    assert.equal(untold['email'] ?? untold['username'], undefined);
  });

  it('a revoked token among standing ones is the only one that is not active', async () => {
    const [client] = clients as [TestClient];
    const issued = await Promise.all(Array.from({ length: 10 }, () => clientCredentials(server, client, 'api')));
    await post(server, '/oauth/revoke', client, { token: issued[3]?.access_token as string });
    const answers = await Promise.all(issued.map(({ access_token }) => introspect(server, client, access_token)));
    assert.deepEqual(
      answers.map((answer) => answer['active']),
      issued.map((_, n) => n !== 3),
    );
  });
});
