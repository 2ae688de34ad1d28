import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, obtainTokens, pkce, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { askToRegister, forgetRegistrations, METADATA, manage, type RegisteredClient, register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

const FORMS = ['/oauth/token', '/oauth/introspect', '/oauth/revoke', '/oauth/par', '/oauth/device_authorization'];
const MEGABYTE = 1024 * 1024;

describe('Bodies that are too large, too deep or of another type than declared', () => {
  let server: TestServer;
  let client: TestClient;
  let registered: RegisteredClient;
  let jwt: string;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    registered = await register(server);
    const resource = `${server.issuer}/api/posts`;
    const person = await server.createPerson();
    ({ access_token: jwt } = await obtainTokens(server, client, person, { scope: 'openid posts:write', resource }, { resource }));
  });
  after(() => server.close());

  const json = { 'content-type': 'application/json' };
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const toPosts = (body: BodyInit, headers: Record<string, string> = json) =>
    fetch(`${server.issuer}/api/posts`, { method: 'POST', body, headers: { ...headers, authorization: `Bearer ${jwt}` } });
  const toForm = (path: string, body: BodyInit, headers: Record<string, string> = form) =>
    fetch(server.issuer + path, { method: 'POST', body, headers });

  /** Asserts a client error, and that nothing is stored. */
  async function refused(send: () => Promise<Response>, what: string): Promise<void> {
    const response = await unchanged(server, send);
    await response.body?.cancel();
    assert(response.status >= 400 && response.status < 500, `${what}: ${response.status}`);
  }

  /** The same without Content-Length. */
  const streamed = (text: string) => ({ body: new Blob([text]).stream(), duplex: 'half', method: 'POST' }) as RequestInit;

  it('of a megabyte are refused everywhere, with or without Content-Length', async () => {
    const fields = `token=${'x'.repeat(MEGABYTE)}`;
    const metadata = JSON.stringify({ ...METADATA, client_name: 'x'.repeat(MEGABYTE) });
    for (const path of FORMS) {
      await refused(() => toForm(path, fields), path);
      await refused(() => fetch(server.issuer + path, { ...streamed(fields), headers: form }), `${path}, streamed`);
    }
    await refused(() => askToRegister(server, metadata), 'registration');
    await refused(() => manage(server, registered, 'PUT', JSON.parse(metadata)), 'update');
    await refused(() => toPosts(JSON.stringify({ title: 't', body: 'x'.repeat(MEGABYTE) })), 'post');
    const url = `${server.issuer}/api/posts`;
    const headers = { ...json, authorization: `Bearer ${jwt}` };
    await refused(() => fetch(url, { ...streamed(JSON.stringify({ title: 't', body: 'x'.repeat(MEGABYTE) })), headers }), 'post, streamed');
  });

  it('that were refused leave their connection usable for the next request (RFC 9112 section 9.3)', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const send = (path: string, headers: Record<string, string>, body: string) =>
      new Promise<number>((resolve, reject) => {
        const sent = request({ agent, host: '127.0.0.1', port: server.config.port, method: 'POST', path, timeout: 10_000 }, (response) => {
          response.resume().on('end', () => resolve(Number(response.statusCode)));
        });
        for (const [name, value] of Object.entries({ ...headers, host: new URL(server.issuer).host })) sent.setHeader(name, value);
        sent.on('timeout', () => sent.destroy(new Error(`${path} is not answered`)));
        sent.on('error', reject).end(body);
      });
    try {
      for (const path of [...FORMS, '/oauth/logout/confirm', '/interaction/x/login'])
        for (const headers of [form, { ...form, 'transfer-encoding': 'chunked' }]) {
          assert((await send(path, headers, `token=${'x'.repeat(4 * MEGABYTE)}`)) >= 400, path);
          assert.equal(await send('/oauth/token', form, 'grant_type=x'), 400, path);
        }
      assert.equal(await send('/oauth/register', json, JSON.stringify({ client_name: 'x'.repeat(4 * MEGABYTE) })), 413);
      assert.equal(await send('/oauth/register', json, '{}'), 400);
    } finally {
      await forgetRegistrations(server);
      agent.destroy();
    }
  });

  it('of a megabyte are refused at the sign-in form, which still works', async () => {
    const person = await server.createPerson();
    const { code_verifier: _, ...challenge } = pkce();
    const page = await new Person(server.issuer).open(authorizePath(client, challenge));
    const headers = { 'sec-fetch-site': 'same-origin' };
    const send = (fields: Record<string, string>) => () =>
      page.person.request(page.form().action, { method: 'POST', body: new URLSearchParams({ ...page.form().hidden, ...fields }), headers });
    await refused(send({ email: person.email, password: 'x'.repeat(MEGABYTE) }), 'large');
    await refused(send(Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`p${index}`, '1']))), 'many');
    const long = await unchanged(server, send({ email: person.email, password: 'x'.repeat(2_000) }), ['audit_event', 'rate_limit']);
    assert.equal(long.status, 401, 'a password that nobody has is a wrong one, and in the record as one');
    assert.match((await page.submit({ email: person.email, password: person.password })).html, /name="decision"/);
  });

  it('of ten thousand parameters are refused, or all but the known ones are ignored', async () => {
    const many = Array.from({ length: 10_000 }, (_, index) => `p${index}=`).join('&');
    for (const path of FORMS) await refused(() => toForm(path, many), path);
    for (const path of FORMS) await refused(() => toForm(path, 'token=x&'.repeat(7_000)), `${path}, one of them again and again`);
    await refused(() => toForm('/oauth/token', '&'.repeat(50_000)), 'separators alone');
    const response = await unchanged(server, () => fetch(`${server.issuer}/oauth/authorize?${many.slice(0, 12_000)}`));
    assert.equal(response.status, 400);
  });

  it('do not matter for a path or a header of 20 kB, which is refused (RFC 9110 section 15.5.15)', async () => {
    assert.equal((await fetch(`${server.issuer}/?${'x'.repeat(20_000)}`)).status, 431);
    assert.equal((await fetch(server.issuer, { headers: { cookie: `a=${'x'.repeat(20_000)}` } })).status, 431);
  });

  it('with JSON twenty thousand levels deep are refused', async () => {
    for (const deep of ['['.repeat(20_000) + ']'.repeat(20_000), `${'{"a":'.repeat(8_000)}1${'}'.repeat(8_000)}`, '['.repeat(20_000)]) {
      await refused(() => askToRegister(server, deep), 'registration');
      await refused(() => askToRegister(server, `{"client_name":${deep}}`), 'a member');
      await refused(() => toPosts(deep), 'post');
      await refused(() => toPosts(`{"title":${deep},"body":"b"}`), 'a member of a post');
    }
  });

  it('with an unknown member of any depth leave nothing of it in the database', async () => {
    const deep = '['.repeat(5_000) + ']'.repeat(5_000);
    const response = await askToRegister(server, `{"redirect_uris":["https://walk.example/cb"],"unknown":${deep}}`);
    assert(response.status === 201 || response.status === 400);
    const [row] = await server.sql(`select count(*)::int as rows from client where metadata ? 'unknown'`);
    assert.equal(row?.['rows'], 0);
  });

  it('with __proto__ and similar names affect only their own request', async () => {
    const poison =
      '"__proto__":{"polluted":true,"dynamically_registered":false,"introspects":"x"},"constructor":{"prototype":{"polluted":true}}';
    const response = await askToRegister(server, `{"redirect_uris":["https://walk.example/cb"],${poison}}`);
    assert(response.status === 201 || response.status === 400);
    if (response.status === 201) {
      const { client_id } = (await response.json()) as RegisteredClient;
      const [row] = await server.sql('select registration, introspects, metadata::text from client where id = $1', [client_id]);
      assert.equal(row?.['registration'], 'dynamic');
      assert.equal(row?.['introspects'], null);
      assert.doesNotMatch(String(row?.['metadata']), /polluted/);
    }
    for (const path of FORMS) await refused(() => toForm(path, '__proto__[polluted]=1&__proto__=1&constructor=1&token=x'), path);
    assert.equal((await toPosts(`{${poison},"title":"t","body":"b"}`)).status, 201);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });

  it('with text that the database cannot store are refused, in every member of a registration', async () => {
    const members = [
      'client_name',
      'client_name#ko',
      'client_uri',
      'logo_uri',
      'policy_uri',
      'tos_uri',
      'scope',
      'software_id',
      'jwks_uri',
      'token_endpoint_auth_method',
      'application_type',
      'subject_type',
      'id_token_signed_response_alg',
      'initiate_login_uri',
      'sector_identifier_uri',
    ];
    for (const text of ['a\0b', '\ud800', 'a\udfffb']) {
      for (const member of members) {
        const response = await askToRegister(server, { ...METADATA, [member]: text });
        assert(response.status < 500, `${member}: ${response.status}`);
        if (response.status === 201)
          assert.equal(((await response.json()) as RegisteredClient)[member], undefined, `${member} is not kept`);
      }
      for (const member of [
        'redirect_uris',
        'post_logout_redirect_uris',
        'contacts',
        'grant_types',
        'response_types',
        'default_acr_values',
      ])
        await refused(() => askToRegister(server, { ...METADATA, [member]: [text] }), `${member} ${JSON.stringify(text)}`);
      await refused(
        () => askToRegister(server, { ...METADATA, jwks: { keys: [{ kty: 'RSA', kid: text, n: 'AQAB', e: 'AQAB' }] } }),
        'jwks',
      );
      await refused(() => manage(server, registered, 'PUT', { ...METADATA, client_id: registered.client_id, client_name: text }), 'update');
      await refused(
        () => manage(server, registered, 'PUT', { ...METADATA, client_id: registered.client_id, client_secret: text }),
        'update',
      );
    }
    assert.equal((await manage(server, registered, 'GET')).status, 200);
  });

  it('with such text are refused in every member of a post', async () => {
    for (const text of ['a\0b', '\ud800', 'a\udfffb'])
      for (const member of ['title', 'body'])
        await refused(() => toPosts(JSON.stringify({ title: 't', body: 'b', [member]: text })), member);
    const latin1 = Buffer.from('{"title":"\xff\xfe","body":"b"}', 'latin1');
    const response = await toPosts(latin1);
    assert(response.status === 400 || response.status === 201);
    await refused(() => toPosts(Buffer.from('\0')), 'a NUL');
    await refused(() => toPosts('{"title":"t"'), 'cut short');
    await refused(() => toPosts(''), 'nothing');
  });

  it('with another content type are refused', async () => {
    const text = { 'content-type': 'text/plain' };
    for (const path of FORMS) {
      await refused(() => toForm(path, '{"token":"x"}', json), `${path} json`);
      await refused(() => toForm(path, 'token=x', text), `${path} text`);
      await refused(
        () => toForm(path, 'token=x', { 'content-type': 'application/x-www-form-urlencoded; charset=made-up' }),
        `${path} charset`,
      );
    }
    await refused(() => toPosts('title=t&body=b', form), 'post as a form');
    await refused(() => toPosts('{"title":"t","body":"b"}', text), 'post as text');
  });
});
