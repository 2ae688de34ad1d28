import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { call, createMachine, fieldsOf, letAdminister, machineToken, personToken, problemOf } from '../support/admin-api.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials, obtainTokens, post, type TestClient } from '../support/flow.ts';
import { unchanged } from '../support/storage.ts';

/** Typical injection strings, and text that no database stores. */
const HOSTILE = [
  "' OR '1'='1",
  '1; DROP TABLE client; --',
  "') UNION SELECT email, password_hash FROM user_account --",
  "1' AND SLEEP(5)#",
  "' AND 1=CAST((SELECT version()) AS int)--",
  '"; select pg_sleep(5); --',
  '$$;select 1;$$',
  '%',
  '_',
  '\\',
  '../../../etc/passwd',
  'a\0b',
  '\u202egnp.exe',
  'x'.repeat(5_000),
];

const LISTS = [
  'people',
  'clients',
  'grants',
  'tokens',
  'keys',
  'audit-events',
  'hourly-counts',
  'initial-access-tokens',
  'resource-servers',
  'sessions',
  'client-secrets',
];
const FILTERS = [
  'search',
  'role',
  'disabled',
  'registration',
  'suspended',
  'verified',
  'client',
  'account',
  'actor',
  'request',
  'type',
  'from',
  'until',
];
const PARAMETERS = [...FILTERS, 'owner', 'owned', 'name', 'limit', 'cursor'];

describe('The admin API against attackers', () => {
  let server: TestServer;
  let machine: TestClient;
  let token: string;
  before(async () => {
    server = await startTestServer();
    machine = await createMachine(server);
    token = await machineToken(server, machine);
  });
  after(() => server.close());

  const forget = () => server.sql('delete from rate_limit');
  const read = (path: string, as = token) => call(server, as, `GET ${path}`);
  /** Asserts that a request is refused and changes nothing except the count of requests. */
  async function refused(request: string, as: string, status: number, body?: unknown): Promise<string> {
    await forget();
    const said = await unchanged(server, async () => {
      const answer = await call(server, as, request, body, { 'idempotency-key': 'hostile' });
      await forget();
      return answer;
    });
    assert.equal(said.status, status, `${request}: ${JSON.stringify(said.body)}`);
    return problemOf(said);
  }

  it('refuses a token of another audience, and a request without one', async () => {
    const app = await server.createClient();
    const person = await server.createPerson({ role: 'admin' });
    const own = await clientCredentials(server, app, 'api');
    const theirs = await obtainTokens(server, app, person);
    const strangers = [
      own.access_token,
      theirs.access_token,
      String(theirs.refresh_token),
      String(theirs.id_token),
      'x',
      'x'.repeat(5_000),
    ];
    for (const stranger of strangers) assert.equal(await refused(`POST /clients/${app.client_id}/suspend`, stranger, 401), 'invalid_token');
  });

  it('accepts a token in the header only, and no cookie', async () => {
    const { person } = await obtainTokens(server, await server.createClient(), await server.createPerson({ role: 'admin' }));
    const address = `${server.issuer}/admin/api/v1/people?access_token=${token}`;
    for (const headers of [{}, { cookie: person.cookies().join('; ') }, { authorization: `Basic ${token}` }]) {
      const response = await fetch(address, { headers: headers as Record<string, string> });
      assert.equal(response.status, 401);
      await response.body?.cancel();
    }
    assert(!server.logLines().join('').includes(token));
  });

  it('gives a client only the scopes that an operator allowed', async () => {
    const ask = (client: TestClient) =>
      post(server, '/oauth/token', client, {
        grant_type: 'client_credentials',
        resource: `${server.issuer}/admin/api`,
        scope: 'admin:read admin:keys',
      });
    const none = await ask(await server.createClient());
    assert.equal(none.status, 400);
    const told = (await none.json()) as Record<string, unknown>;
    assert.equal(told['error'], 'invalid_scope');
    const some = (await (await ask(await createMachine(server, ['admin:read']))).json()) as Record<string, unknown>;
    assert.equal(some['scope'], 'admin:read');
    assert.equal(await refused('POST /keys/rotate', String(some['access_token']), 403), 'insufficient_scope');
  });

  it('checks at each request what was withdrawn since the token was issued: a role, a scope, an account, a client', async () => {
    const { person, client, token: theirs } = await personToken(server, 'admin');
    assert.equal((await read('/people', theirs)).status, 200);
    await server.sql(`update user_account set role = 'support' where id = $1`, [person.id]);
    assert.equal(await refused(`POST /clients/${machine.client_id}/suspend`, theirs, 403), 'insufficient_scope');
    await server.sql(`update user_account set role = 'user' where id = $1`, [person.id]);
    assert.equal(await refused('GET /people', theirs, 403), 'insufficient_scope');
    await server.sql(`update user_account set role = 'admin', disabled_at = now() where id = $1`, [person.id]);
    assert.equal(await refused('GET /people', theirs, 401), 'invalid_token');
    await server.sql('update user_account set disabled_at = null where id = $1', [person.id]);
    await letAdminister(server, client.client_id, ['admin:audit']);
    assert.equal(await refused('GET /people', theirs, 403), 'insufficient_scope');
    await server.sql('update client set suspended_at = now() where id = $1', [client.client_id]);
    assert.equal(await refused('GET /audit-events', theirs, 401), 'invalid_token');
  });

  it('refuses acts on the actor, on accounts with more power, and on what the server needs', async () => {
    const admin = await personToken(server, 'admin');
    const support = await personToken(server, 'support');
    const act = (verb: string) => `POST /people/${admin.person.id}/${verb}`;
    for (const verb of ['disable', 'end-sessions', 'remove-factors']) assert.equal(await refused(act(verb), support.token, 403), 'above');
    assert.equal(await refused(act('disable'), admin.token, 409), 'own_account');
    assert.equal(await refused(act('change-role'), admin.token, 409, { role: 'user' }), 'own_account');
    assert.equal(await refused(act('change-role'), support.token, 403, { role: 'user' }), 'insufficient_scope');
    assert.equal(
      await refused('POST /people', support.token, 403, { email: 'a@people.example', name: 'A', role: 'admin' }),
      'insufficient_scope',
    );
    for (const own of ['munjigi-account', 'munjigi-resource-api'])
      for (const request of [`POST /clients/${own}/suspend`, `DELETE /clients/${own}`])
        assert.equal(await refused(request, token, 409), 'own_client');
    const servers = (await read('/resource-servers')).body.data ?? [];
    assert.equal(await refused(`DELETE /resource-servers/${servers[0]?.['id']}`, token, 409), 'own_resource_server');
  });

  it('keeps the last admin, also when two admins demote each other at once', async () => {
    await server.sql(`update user_account set role = 'user'`);
    const [one, other] = [await personToken(server, 'admin'), await personToken(server, 'admin')];
    const answers = await Promise.all([
      call(server, one.token, `POST /people/${other.person.id}/change-role`, { role: 'user' }),
      call(server, other.token, `POST /people/${one.person.id}/change-role`, { role: 'user' }),
    ]);
    assert.equal(answers.filter(({ status }) => status === 200).length, 1, JSON.stringify(answers.map(({ body }) => body)));
    const admins = await server.sql(`select id from user_account where role = 'admin'`);
    assert.equal(admins.length, 1);
    assert.equal(await refused(`POST /people/${admins[0]?.['id']}/disable`, token, 409), 'last_admin');
    assert.equal(await refused(`POST /people/${admins[0]?.['id']}/change-role`, token, 409, { role: 'support' }), 'last_admin');
  });

  it('lets no actor give a client more than the actor may do', async () => {
    const giver = await machineToken(server, await createMachine(server, ['admin:roles', 'admin:read']));
    const { client_id } = await server.createClient();
    const path = `POST /clients/${client_id}/allow-admin-scopes`;
    assert.equal(await refused(path, giver, 403, { scopes: ['admin:keys'] }), 'above');
    assert.equal((await call(server, giver, path, { scopes: ['admin:read'] })).status, 200);
    await letAdminister(server, client_id, ['admin:keys']);
    assert.equal(await refused(path, giver, 403, { scopes: [] }), 'above');
  });

  it('refuses a cursor that is forged, or of another list, filter or reader', async () => {
    for (let n = 0; n < 3; n++) await server.createPerson();
    const { body } = await read('/people?limit=1');
    const cursor = String(body['next_cursor']);
    const at = (path: string, as = token) =>
      refused(`GET ${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`, as, 400);
    assert.equal((await read(`/people?limit=2&cursor=${encodeURIComponent(cursor)}`)).status, 200);
    for (const path of ['/clients', '/tokens', '/audit-events', '/people?search=a', '/people?role=user'])
      assert.equal(await at(path), 'invalid_cursor');
    assert.equal(await at('/people', await machineToken(server, await createMachine(server))), 'invalid_cursor');
    const forged = [`${cursor}x`, cursor.slice(0, -2), cursor.replace(/^v1/, 'v2'), Buffer.from('["a"]').toString('base64url'), 'x'];
    for (const text of [...forged, ...HOSTILE.filter((text) => text.length < 4_000 && !text.includes('\0'))])
      assert.equal(await refused(`GET /people?cursor=${encodeURIComponent(text)}`, token, 400), 'invalid_cursor');
  });

  it('answers any parameter of a list without a server error, and changes nothing', async () => {
    for (const list of LISTS)
      for (const parameter of PARAMETERS) {
        await forget();
        const asked = HOSTILE.map((text) => read(`/${list}?${parameter}=${encodeURIComponent(text)}`));
        for (const { status } of await Promise.all(asked)) assert([200, 400].includes(status), `${list} ${parameter}: ${status}`);
      }
    for (const raw of [
      'search=%00',
      'search=%ED%A0%80',
      'search=a&search=b',
      'from=0000-01-01T00:00:00Z',
      'from=9999-12-31T23:59:59-23:00',
      '__proto__=1',
    ])
      assert((await read(`/people?${raw}`)).status <= 400, raw);
    assert.equal((await read('/audit-events?from=0000-01-01T00:00:00Z')).status, 400);
    assert.equal((await read('/audit-events?until=9999-12-31T23:59:59-23:00')).status, 400);
  });

  it('finds nothing by a forged or undecodable id', async () => {
    await forget();
    const acts = ['POST /people/ID/disable', 'POST /clients/ID/suspend', 'DELETE /clients/ID', 'DELETE /grants/ID', 'DELETE /tokens/ID'];
    const more = ['DELETE /initial-access-tokens/ID', 'DELETE /resource-servers/ID', 'GET /people/ID', 'GET /clients/ID'];
    for (const request of [...acts, ...more]) {
      for (const id of HOSTILE) {
        // A path with `..` is another address.
        const said = await call(
          server,
          token,
          request.replace('ID', () => encodeURIComponent(id)),
        );
        assert.equal(said.status, 404, `${request} ${id.slice(0, 40)}`);
      }
      assert.equal((await call(server, token, request.replace('ID', '%ED%A0%80'))).status, 404);
      assert.equal((await call(server, token, request.replace('ID', '%zz'))).status, 404);
    }
  });

  it('changes nothing for a body that is no JSON, too large or hostile', async () => {
    const { client_id } = await server.createClient();
    const verify = `POST /clients/${client_id}/verify`;
    for (const body of [
      '{',
      '[]',
      '"x"',
      'null',
      '{"publisher":"a\\u0000b"}',
      '{"publisher":"\\ud800"}',
      '{"__proto__":{"publisher":"x"}}',
    ])
      await refused(verify, token, body === '{' ? 400 : 422, body);
    await refused(verify, token, 422, `{"publisher":${'['.repeat(20_000)}${']'.repeat(20_000)}}`);
    assert.equal(await refused(verify, token, 413, JSON.stringify({ publisher: 'x'.repeat(70_000) })), 'request_too_large');
    for (const publisher of ['', '\u202eevil', 'x'.repeat(101)]) {
      const said = await call(server, token, verify, { publisher });
      assert.deepEqual(fieldsOf(said), ['publisher']);
    }
    const form = await call(server, token, verify, 'publisher=x', { 'content-type': 'application/x-www-form-urlencoded' });
    assert.equal(problemOf(form), 'unsupported_media_type');
    const other = await call(server, token, 'DELETE /people');
    assert.equal(other.status, 405);
    assert.equal(other.headers.get('allow'), 'GET, HEAD, POST');
    assert.equal((await read(`/clients/${client_id}`)).body['publisher'], null);
  });

  it('limits a caller with too many requests, and nobody else', async () => {
    const wild = await createMachine(server);
    const theirs = await machineToken(server, wild);
    await read('/keys', theirs);
    await server.sql('update rate_limit set points = 2000');
    const held = await read('/keys', theirs);
    assert.equal(problemOf(held), 'too_many_requests');
    assert(Number(held.headers.get('retry-after')) > 0);
    assert.equal((await read('/keys', await machineToken(server, await createMachine(server)))).status, 200);
    await forget();
  });
});
