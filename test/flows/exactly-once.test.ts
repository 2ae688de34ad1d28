import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { startTestServer, type TestServer } from '../support/environment.ts';
import {
  createResourceServerClient,
  introspect,
  obtainCode,
  obtainTokens,
  post,
  redeem,
  refresh,
  type TestClient,
  type Tokens,
} from '../support/flow.ts';

const PARALLEL = 50;

describe('Exactly once, on two nodes (RFC 9700 sections 2.1.1 and 4.14)', () => {
  let server: TestServer;
  let other: TestServer;
  let nodes: TestServer[];
  let api: TestClient;
  let person: { email: string; password: string };

  before(async () => {
    server = await startTestServer();
    other = await server.secondNode();
    nodes = [server, other];
    api = await createResourceServerClient(server);
    person = await server.createPerson();
  });
  after(async () => {
    await other.close();
    await server.close();
  });

  /** The same request many times at once, on both nodes. */
  async function atOnce(send: (node: TestServer) => Promise<Response>) {
    const responses = await Promise.all(Array.from({ length: PARALLEL }, (_, n) => send(nodes[n % 2] as TestServer)));
    const bodies = (await Promise.all(responses.map((response) => response.json()))) as (Tokens & { error?: string })[];
    return {
      won: bodies.filter((_, n) => responses[n]?.status === 200),
      lost: bodies.filter((_, n) => responses[n]?.status !== 200),
      statuses: responses.map(({ status }) => status),
    };
  }

  const active = async (token: string) => (await introspect(server, api, token))['active'];

  it(`of ${PARALLEL} redemptions of one code, one alone gets tokens; the others hear invalid_grant and leave nothing behind`, async () => {
    const client = await server.createClient();
    const code = await obtainCode(server, client, person, { scope: 'openid profile' });
    const { won, lost, statuses } = await atOnce((node) => redeem(node, client, code));
    assert.equal(won.length, 1, JSON.stringify(statuses));
    assert.deepEqual([...new Set(lost.map(({ error }) => error))], ['invalid_grant']);
    const [{ n }] = (await server.sql('select count(*)::int as n from token where client_id = $1', [client.client_id])) as [{ n: number }];
    // One access and one refresh token, or none when a later request already saw the code consumed and ended the family.
    assert.ok(n === 2 || n === 0, `${n} tokens`);

    assert.equal((await redeem(server, client, code)).status, 400);
    assert.equal(await active(won[0]?.access_token as string), false, 'a replay ends what the code gave');
    assert.equal((await server.sql('select 1 from token where client_id = $1', [client.client_id])).length, 0);
  });

  it(`of ${PARALLEL} uses of one refresh token, one alone gets tokens, and a later replay ends the family`, async () => {
    const client = await server.createClient();
    const tokens = await obtainTokens(server, client, person);
    const { won, lost } = await atOnce((node) => refresh(node, client, tokens.refresh_token as string));
    assert.equal(won.length, 1);
    assert.deepEqual([...new Set(lost.map(({ error }) => error))], ['invalid_grant']);
    assert.equal((await refresh(server, client, tokens.refresh_token as string)).status, 400);
    for (const token of [tokens.access_token, won[0]?.access_token as string]) assert.equal(await active(token), false);
    assert.equal((await refresh(server, client, won[0]?.refresh_token as string)).status, 400);
  });

  it(`of ${PARALLEL} uses of one assertion, one alone is accepted (RFC 7523 section 3)`, async () => {
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
    const { won, lost } = await atOnce((node) =>
      post(node, '/oauth/token', undefined, {
        grant_type: 'client_credentials',
        client_assertion: assertion,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      }),
    );
    assert.equal(won.length, 1);
    assert.deepEqual([...new Set(lost.map(({ error }) => error))], ['invalid_client']);
    assert.equal((await server.sql('select 1 from token where client_id = $1', [client_id])).length, 1);
  });

  it('of 8 authorizations with one pushed request, one alone gets a code (RFC 9126 section 4)', async () => {
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

  it('refreshing while revoking leaves nothing active, whoever comes first', async () => {
    const client = await server.createClient();
    for (let round = 0; round < 10; round++) {
      const tokens = await obtainTokens(server, client, person);
      const [refreshed, revoked] = await Promise.all([
        refresh(server, client, tokens.refresh_token as string),
        post(server, '/oauth/revoke', client, { token: tokens.refresh_token as string }),
      ]);
      assert.equal(revoked.status, 200);
      assert.ok([200, 400].includes(refreshed.status), `${refreshed.status}`);
      const next = (await refreshed.json()) as Partial<Tokens>;
      for (const token of [tokens.access_token, next.access_token, next.refresh_token]) if (token) assert.equal(await active(token), false);
    }
    assert.equal((await server.sql('select 1 from token where client_id = $1', [client.client_id])).length, 0);
  });
});
