import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials, createResourceServerClient, obtainTokens, post, type TestClient } from '../support/flow.ts';

/**
 * Sends the same requests to the short way of introspection and to the library's own. For every request both answers must be equal to the
 * byte. A header that the library ignores, and that the short way does not handle, chooses between them.
 */
describe('The short and the long way of introspection', () => {
  let server: TestServer;
  let tokens: string[];
  let callers: TestClient[];

  before(async () => {
    server = await startTestServer();
    const [client, other] = [await server.createClient(), await server.createClient({ token_endpoint_auth_method: 'client_secret_post' })];
    const api = await createResourceServerClient(server);
    const open = await server.createClient({ token_endpoint_auth_method: 'none' });
    const person = await server.createPerson();
    const own = await obtainTokens(server, client, person, { scope: 'openid profile email api' });
    const lasting = await obtainTokens(server, client, person, { scope: 'openid offline_access', prompt: 'consent' });
    const [revoked, expired, consumed, orphan] = [
      // Tokens of other users: ending one token of a user's grant ends them all.
      await obtainTokens(server, client, await server.createPerson()),
      await clientCredentials(server, client, 'api'),
      await obtainTokens(server, client, await server.createPerson()),
      await clientCredentials(server, other),
    ];
    await post(server, '/oauth/revoke', client, { token: revoked.access_token });
    await server.sql("update token set expires_at = now() - interval '1 second' where id = sha256($1::bytea)", [expired.access_token]);
    await post(server, '/oauth/token', client, { grant_type: 'refresh_token', refresh_token: consumed.refresh_token as string });
    tokens = [
      own.access_token,
      own.refresh_token,
      lasting.access_token,
      lasting.refresh_token,
      revoked.access_token,
      expired.access_token,
      consumed.refresh_token,
      consumed.access_token,
      orphan.access_token,
      (await clientCredentials(server, other)).access_token,
      'x'.repeat(43),
      'unknown',
      '',
      'e30.e30.',
      'ey.J',
      '\u00e9',
      `${own.access_token} `,
      own.access_token.slice(1),
    ].map(String);
    callers = [
      api,
      client,
      other,
      open,
      { client_id: 'nobody', client_secret: 'x', redirect_uri: '' },
      { ...client, client_secret: 'wrong' },
    ];
  });
  after(() => server.close());

  type Raw = { status: number | undefined; headers: Record<string, unknown>; body: string };

  function ask(body: string, headers: Record<string, string>): Promise<Raw> {
    const { port, host } = new URL(server.issuer);
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          port,
          host: '127.0.0.1',
          path: '/oauth/introspect',
          method: 'POST',
          headers: { host, 'content-length': Buffer.byteLength(body), ...headers },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
          response.on('end', () => {
            const { date: _date, 'x-request-id': _id, ...kept } = response.headers;
            // This value depends on the second of the answer, which may differ between the two.
            if (/^\d+$/.test(kept['retry-after'] ?? '')) kept['retry-after'] = 'SECONDS';
            // A page contains its own id and time.
            const body = text.replace(String(response.headers['x-request-id']), 'ID').replace(/<time.*<\/time>/, 'TIME');
            resolve({ status: response.statusCode, headers: kept, body });
          });
        },
      );
      request.on('error', reject).end(body);
    });
  }

  /** The library ignores DPoP at introspection like any unknown header; the short way leaves such requests to it. */
  const both = (body: string, headers: Record<string, string>) => Promise.all([ask(body, headers), ask(body, { ...headers, dpop: 'x' })]);

  const basic = ({ client_id, client_secret }: TestClient) => `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`;

  const USUAL = 'application/x-www-form-urlencoded';

  const request = () =>
    fc.oneof(
      { weight: 5, arbitrary: anything() },
      // Ensures enough active tokens, and callers that may introspect them.
      {
        weight: 1,
        arbitrary: anything().map((one) => ({ ...one, how: 'basic', extra: '', type: USUAL, caller: callers[0] as TestClient })),
      },
    );

  const anything = () =>
    fc.record({
      token: fc.constantFrom(...tokens),
      caller: fc.constantFrom(...callers),
      how: fc.constantFrom('basic', 'post', 'both', 'none', 'id only', 'BASIC', 'bearer', 'broken base64', 'other client_id', 'padded'),
      hint: fc.constantFrom(undefined, 'access_token', 'refresh_token', 'nonsense', ''),
      extra: fc.constantFrom(
        '',
        '&token=again',
        '&foo=bar',
        '&client_id=',
        '&token_type_hint=a&token_type_hint=b',
        '&%zz',
        '&__proto__=x',
        '&client_secret=',
      ),
      type: fc.constantFrom(
        USUAL,
        'application/x-www-form-urlencoded; charset=utf-8',
        'application/x-www-form-urlencoded;charset=UTF-8',
        'application/x-www-form-urlencoded;charset=latin1',
        'application/json',
        'APPLICATION/X-WWW-FORM-URLENCODED',
      ),
      accept: fc.constantFrom('*/*', 'application/json', 'text/html'),
    });

  it('give equal answers, to the byte, to two thousand requests of all kinds', async () => {
    let active = 0;
    await fc.assert(
      fc.asyncProperty(request(), async ({ token, caller, how, hint, extra, type, accept }) => {
        const form = new URLSearchParams({ token, ...(hint === undefined ? {} : { token_type_hint: hint }) });
        const headers: Record<string, string> = { 'content-type': type, accept };
        if (['basic', 'both', 'other client_id'].includes(how)) headers['authorization'] = basic(caller);
        if (how === 'BASIC') headers['authorization'] = basic(caller).replace('Basic', 'BASIC');
        if (how === 'bearer') headers['authorization'] = `Bearer ${token}`.trim();
        if (how === 'broken base64') headers['authorization'] = `${basic(caller)}*`;
        if (how === 'padded') headers['authorization'] = `${basic(caller).replace(/=*$/, '')}==`;
        if (['post', 'both'].includes(how)) form.append('client_secret', String(caller.client_secret));
        if (['post', 'id only'].includes(how)) form.append('client_id', caller.client_id);
        if (how === 'other client_id') form.append('client_id', 'other');
        const [short, long] = await both(`${form}${extra}`, headers);
        if (short.body.startsWith('{"') && short.body.includes('"active":true')) active += 1;
        assert.deepEqual(short, long);
      }),
      { numRuns: 2_000 },
    );
    assert.ok(active > 50, `only ${active} of the answers were about an active token`);
  });

  it('differ in use: the short way answers only the usual request', async () => {
    const line = async (headers: Record<string, string>) => {
      const before = server.logLines().length;
      await ask(`token=${tokens[0]}`, {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: basic(callers[0] as TestClient),
        ...headers,
      });
      return server.logLines().slice(before).join('');
    };
    assert.match(await line({}), /"way":"short"/);
    assert.doesNotMatch(await line({ dpop: 'x' }), /"way":"short"/);
  });
});
