import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { obtainTokens, post, type Tokens } from '../support/flow.ts';

const PARALLEL = 50;

/** test/faults/two-processes.test.ts covers codes and refresh tokens. */
describe('Exactly once, on two nodes', () => {
  let server: TestServer;
  let other: TestServer;
  let nodes: TestServer[];
  let person: { email: string; password: string };

  before(async () => {
    server = await startTestServer();
    other = await server.secondNode();
    nodes = [server, other];
    person = await server.createPerson();
  });
  after(async () => {
    await other.close();
    await server.close();
  });

  /** Sends the same request many times at once to both nodes. A request that gets 503 is sent again. */
  async function atOnce(send: (node: TestServer) => Promise<Response>) {
    let shed = 0;
    const answers = await Promise.all(
      Array.from({ length: PARALLEL }, async (_, n) => {
        const node = nodes[n % 2] as TestServer;
        let response = await send(node);
        for (; response.status === 503 && response.headers.has('retry-after'); shed += 1) response = await send(node);
        return { won: response.status === 200, body: (await response.json()) as Tokens & { error?: string } };
      }),
    );
    const bodies = (won: boolean) => answers.filter((answer) => answer.won === won).map(({ body }) => body);
    return { won: bodies(true), lost: bodies(false), shed };
  }

  it(`accepts one of ${PARALLEL} uses of one assertion (RFC 7523 section 3)`, async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const { client_id } = await server.createClient({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k' }] },
    });
    const assertion = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuer(client_id)
      .setSubject(client_id)
      .setAudience(server.issuer)
      .setIssuedAt()
      .setExpirationTime('2m')
      .sign(privateKey);
    const { won, lost, shed } = await atOnce((node) =>
      post(node, '/oauth/token', undefined, {
        grant_type: 'client_credentials',
        client_assertion: assertion,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      }),
    );
    // The assertion is used up even if an overloaded server then refuses to store the token. It works at most once, and no token exists
    // without an answer.
    if (!shed) assert.equal(won.length, 1);
    assert(won.length <= 1);
    assert.deepEqual([...new Set(lost.map(({ error }) => error))], ['invalid_client']);
    assert.equal((await server.sql('select 1 from token where client_id = $1', [client_id])).length, won.length);
  });

  it('gives a code to one of 8 authorizations with one pushed request (RFC 9126 section 4)', async () => {
    const client = await server.createClient();
    await obtainTokens(server, client, person).then(async ({ person: browser }) => {
      const pushed = (await (
        await post(server, '/oauth/par', client, {
          client_id: client.client_id,
          response_type: 'code',
          redirect_uri: client.redirect_uri,
          scope: 'openid profile',
          code_challenge: 'x'.repeat(43),
          code_challenge_method: 'S256',
        })
      ).json()) as { request_uri: string };
      const path = `/oauth/authorize?${new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri })}`;
      const answers = await Promise.all(Array.from({ length: 8 }, () => browser.request(path)));
      const codes = answers.filter((answer) => new URL(answer.headers.get('location') ?? 'x:', server.issuer).searchParams.has('code'));
      assert.equal(codes.length, 1, answers.map((answer) => `${answer.status} ${answer.headers.get('location')}`).join('\n'));
    });
  });
});
