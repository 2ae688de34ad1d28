import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { ADMIN_SCOPES } from '../../src/oauth/scopes/admin-scopes.ts';
import { call, createMachine, letAdminister, machineToken, type Said } from '../support/admin-api.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { obtainTokens, type TestClient } from '../support/flow.ts';

type Schema = Record<string, unknown>;
type Operation = {
  operationId: string;
  security: { oauth: string[] }[];
  parameters: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { required: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { content: Record<string, { schema: Schema }> }>;
};
type Document = { openapi: string; paths: Record<string, Record<string, Operation>>; 'x-problems': Record<string, { status: number }> };

/** @returns a valid body for each operation that takes one, by its document. */
const BODIES: Record<string, object> = {
  create_person: { email: 'walked@people.example', name: 'Walked' },
  change_role: { role: 'auditor' },
  verify_client: { publisher: 'Walk Ltd' },
  allow_services: { services: [] },
  allow_admin_scopes: { scopes: ['admin:read'] },
  create_initial_access_token: { name: 'Walk' },
  add_client_owner: { account: 'somebody' },
  remove_client_owner: { account: 'somebody' },
};

/** @returns a text that a filter accepts, by its schema. */
function valueFor(schema: Schema): string {
  const right = [...((schema['enum'] as string[] | undefined) ?? []), 'a', '0123456789abcdef', '2026-01-01T00:00:00Z'].find(
    (text) => z.fromJSONSchema(schema as never).safeParse(text).success,
  );
  assert(right, `a filter that this test has no value for: ${JSON.stringify(schema)}`);
  return right;
}

describe('The admin API document (OpenAPI 3.1)', () => {
  let server: TestServer;
  let token: string;
  let document: Document;
  before(async () => {
    server = await startTestServer();
    token = await machineToken(server, await createMachine(server));
    const response = await fetch(`${server.issuer}/admin/api/v1/openapi.json`);
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
    document = (await response.json()) as Document;
  });
  after(() => server.close());

  const operations = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    );

  /** An existing object of the kind that a path names. */
  async function idFor(path: string, app: TestClient): Promise<string> {
    const person = await server.createPerson();
    if (path.startsWith('/people/')) return person.id;
    if (path.startsWith('/clients/')) return app.client_id;
    await obtainTokens(server, app, person);
    const one = async (text: string, values: unknown[]) => String((await server.sql(text, values))[0]?.['id']);
    if (path.startsWith('/grants/')) return one('select id from grant_record where client_id = $1', [app.client_id]);
    if (path.startsWith('/tokens/'))
      return one(`select substr(encode(id, 'hex'), 1, 16) as id from token where client_id = $1`, [app.client_id]);
    if (path.startsWith('/sessions/')) return one('select uid as id from session where account_id = $1', [person.id]);
    if (path.startsWith('/client-secrets/'))
      return one(`select left(encode(digest, 'hex'), 16) as id from client_secret where client_id = $1`, [app.client_id]);
    if (path.startsWith('/resource-servers/'))
      return one(`insert into resource_server (identifier, name, owner_id) values ($1, 'Developer', $2) returning id`, [
        `https://api.example/${app.client_id}`,
        person.id,
      ]);
    return one(
      `insert into initial_access_token (id, digest, name, max_clients, expires_at) values (uuidv7()::text, sha256($1), 'Walk', 1, now() + interval '1 day') returning id`,
      [Buffer.from(app.client_id)],
    );
  }

  /** A user to become an owner of a client, or one of its two owners. */
  async function ownerFor({ operationId }: Operation, clientId: string): Promise<object> {
    if (!operationId.endsWith('_client_owner')) return {};
    const [account, another] = [(await server.createPerson()).id, (await server.createPerson()).id];
    if (operationId === 'remove_client_owner')
      await server.sql('insert into client_owner (client_id, account_id) select $1, unnest($2::text[])', [clientId, [account, another]]);
    return { account };
  }

  async function walk(path: string, method: string, operation: Operation, key: string): Promise<Said> {
    const id = path.includes('{id}') ? await idFor(path, await server.createClient()) : '';
    const body = operation.requestBody ? { ...BODIES[operation.operationId], ...(await ownerFor(operation, id)) } : undefined;
    return call(server, token, `${method} ${path.replace('{id}', encodeURIComponent(id))}`, body, { 'idempotency-key': key });
  }

  it('names each operation once, with its required scope', () => {
    assert.equal(document.openapi, '3.1.0');
    const all = operations();
    assert(all.length > 30);
    assert.equal(new Set(all.map(({ operation }) => operation.operationId)).size, all.length);
    for (const { operation } of all) assert((ADMIN_SCOPES as string[]).includes(operation.security[0]?.oauth[0] ?? ''));
  });

  it('describes the answer of every operation', async () => {
    for (const [n, { path, method, operation }] of operations().entries()) {
      const said = await walk(path, method, operation, `walk-${n}`);
      const described = Object.entries(operation.responses).find(([status]) => status === String(said.status));
      assert(described, `${method} ${path}: ${said.status} ${JSON.stringify(said.body)}`);
      const schema = described[1].content['application/json']?.schema as Schema;
      const judged = z.fromJSONSchema(schema as never).safeParse(said.body);
      assert(judged.success, `${method} ${path}: ${judged.error?.message} in ${JSON.stringify(said.body)}`);
    }
  });

  it('names the filters that every list accepts, and the list refuses others', async () => {
    for (const { path, operation } of operations().filter(({ operation }) => operation.operationId.startsWith('list_'))) {
      const filters = operation.parameters.filter(({ name }) => !['limit', 'cursor'].includes(name));
      const query = new URLSearchParams({ limit: '1' });
      for (const { name, schema } of filters) query.set(name, valueFor(schema));
      assert.equal((await call(server, token, `GET ${path}?${query}`)).status, 200, `${path}?${query}`);
      assert.equal((await call(server, token, `GET ${path}?strange=1`)).status, 400, path);
      for (const limit of ['0', '101', '-1', '1.5', 'x', ''])
        assert.equal((await call(server, token, `GET ${path}?limit=${limit}`)).status, 400);
    }
  });

  it('names the scope that every operation requires, and no other scope is enough', async () => {
    for (const { path, method, operation } of operations()) {
      const needed = operation.security[0]?.oauth[0] as string;
      const others = ADMIN_SCOPES.filter((scope) => scope !== needed);
      const client = await createMachine(server, others);
      const lacking = await machineToken(server, client);
      const said = await call(server, lacking, `${method} ${path.replace('{id}', 'some')}`, BODIES[operation.operationId]);
      assert.equal(said.status, 403, `${method} ${path}`);
      assert.match(said.headers.get('www-authenticate') ?? '', new RegExp(`scope="${needed}"`));
      await letAdminister(server, client.client_id, []);
    }
  });

  it('describes every body: the API refuses other members and wrong values, and names each field', async () => {
    for (const { path, method, operation } of operations().filter(({ operation }) => operation.requestBody)) {
      const address = `${method} ${path.replace('{id}', await idFor(path === '/people' ? '/people/' : path, await server.createClient()))}`;
      const key = { 'idempotency-key': `bad-${operation.operationId}` };
      const strange = await call(server, token, address, { ...BODIES[operation.operationId], strange: 1 }, key);
      assert.equal(strange.status, 422, path);
      for (const name of Object.keys(BODIES[operation.operationId] ?? {})) {
        const said = await call(server, token, address, { ...BODIES[operation.operationId], [name]: 7 }, key);
        assert.equal(said.status, 422);
        assert(
          (said.body['errors'] as { field: string }[]).some(({ field }) => field === name),
          `${path} ${name}`,
        );
      }
    }
  });

  it('lists every problem by the type that a refusal has', async () => {
    const { body } = await call(server, token, 'GET /people/nobody');
    const [, pointer = ''] = String(body['type']).split('#/');
    const [room = '', name = ''] = pointer.split('/');
    assert.equal((document as unknown as Record<string, Record<string, { status: number }>>)[room]?.[name]?.status, 404);
  });
});
