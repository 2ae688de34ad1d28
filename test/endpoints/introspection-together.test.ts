import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials, createResourceServerClient, introspect, obtainTokens, post, type TestClient } from '../support/flow.ts';
import { createWire } from '../support/wire.ts';

/** The server asks the database about requests of one moment together. No client may get another's answer. */
describe('Introspections at the same moment', () => {
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

  type Question = { client: TestClient; token: string; owner: number };

  const everyQuestion = (): Question[] => clients.flatMap((client) => tokens.map((token, owner) => ({ client, token, owner })));

  function assertOwnAnswer({ client, owner }: Question, answer: Record<string, unknown>): void {
    if (clients[owner] === client) assert.equal(answer['client_id'], client.client_id);
    else assert.deepEqual(answer, { active: false });
  }

  it('each get the answer to their own request', async () => {
    const questions = Array.from({ length: 10 }, everyQuestion).flat();
    const answers = await Promise.all(questions.map(({ client, token }) => introspect(server, client, token)));
    for (const [n, answer] of answers.entries()) assertOwnAnswer(questions[n] as Question, answer);
  });

  it('ask the database together', async () => {
    const questions = everyQuestion();
    const before = wire.statements();
    const answers = await askAtOnce(questions);
    assert.equal(answers.length, questions.length);
    for (const [n, answer] of answers.entries()) assertOwnAnswer(questions[n] as Question, answer);
    const statements = wire.statements() - before;
    assert.ok(statements < questions.length / 2, `${statements} statements for ${questions.length} questions`);
  });

  /** Sends all requests in one write, pipelined (RFC 9112 section 9.3.2), so that the server reads them in one turn. */
  async function askAtOnce(questions: Question[]): Promise<Record<string, unknown>[]> {
    const { host, port } = new URL(server.issuer);
    const requests = questions.map(({ client, token }, n) => {
      const body = `token=${token}`;
      const basic = Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
      const head = ['POST /oauth/introspect HTTP/1.1', `host: ${host}`, `authorization: Basic ${basic}`];
      const type = ['content-type: application/x-www-form-urlencoded', `content-length: ${body.length}`];
      return [...head, ...type, `connection: ${n === questions.length - 1 ? 'close' : 'keep-alive'}`, '', body].join('\r\n');
    });
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(requests.join(''));
    const answers = await text(socket);
    return [...answers.matchAll(/\r\n\r\n(\{.*?\})(?=HTTP\/1\.1 |$)/gs)].map(([, body]) => JSON.parse(String(body)));
  }

  it("tell only the server's own API about the user", async () => {
    const [client] = clients as [TestClient];
    const { access_token } = await obtainTokens(server, client, await server.createPerson(), { scope: 'openid profile email' });
    const [told, untold] = await Promise.all([introspect(server, api, access_token), introspect(server, client, access_token)]);
    assert.equal(told['active'] && untold['active'], true);
    assert.ok(told['email']);
    assert.equal(untold['email'] ?? untold['username'], undefined);
  });

  it('show one revoked token among live ones as the only inactive one', async () => {
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
