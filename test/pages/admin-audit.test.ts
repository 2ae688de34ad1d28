import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { act, createSubjects, look, signInAs } from '../support/admin.ts';
import { call, createMachine, machineToken } from '../support/admin-api.ts';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';

describe('The audit log in administration', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const typesOn = (html: string) => [...html.matchAll(/<strong><code>(\w+)<\/code><\/strong>/g)].map(([, type]) => type);

  it('is found by person, operator, client, event, request and day', async () => {
    const [admin, auditor, of] = [await signInAs(server, 'admin'), await signInAs(server, 'auditor'), await createSubjects(server)];
    await act(admin, `/admin/people/${of.person.id}/disable`);
    await act(admin, `/admin/clients/${of.client.client_id}/verify`, { publisher: 'Example' });
    const [event] = await server.sql("select request_id from audit_event where type = 'client_verified' and client_id = $1", [
      of.client.client_id,
    ]);
    const today = new Date().toISOString().slice(0, 10);
    const found = async (query: Record<string, string>) => {
      const { status, html } = await look(auditor, `/admin/audit?${new URLSearchParams(query)}`);
      assert.equal(status, 200);
      return typesOn(html);
    };
    assert.equal((await found({ person: of.person.email }))[0], 'account_disabled');
    assert.deepEqual(await found({ operator: admin.email }), ['client_verified', 'account_disabled']);
    assert.equal((await found({ client: of.client.client_id }))[0], 'client_verified');
    assert.deepEqual(await found({ type: 'client_verified', operator: admin.email }), ['client_verified']);
    assert.deepEqual(await found({ request: String(event?.['request_id']) }), ['client_verified']);
    assert.equal((await found({ operator: admin.email, from: today, until: today })).length, 2);
    assert.deepEqual(await found({ operator: admin.email, until: '2020-01-01' }), []);
    assert.deepEqual(await found({ person: 'nobody@people.example' }), []);
  });

  it('says who acted, by which client or by a command, and finds each by its request id', async () => {
    const [auditor, machine, of] = [await signInAs(server, 'auditor'), await createMachine(server), await server.createClient()];
    await server.sql('update client set metadata = metadata || \'{"client_name": "Night Shift"}\' where id = $1', [machine.client_id]);
    const said = await call(server, await machineToken(server, machine), `POST /clients/${of.client_id}/suspend`);
    assert.equal(said.status, 200);
    const byRequest = async (request: string | null) =>
      (await look(auditor, `/admin/audit?${new URLSearchParams({ request: String(request) })}`)).html;
    const api = await byRequest(said.headers.get('x-request-id'));
    assert.deepEqual(typesOn(api), ['client_suspended']);
    assert.match(api, new RegExp(`Client used · <a href="/admin/clients/${machine.client_id}"><bdi>Night Shift</bdi></a>`));
    assert.doesNotMatch(api, /by: /, 'it is said once');

    const admin = await signInAs(server, 'admin');
    const person = await server.createPerson();
    const page = await act(admin, `/admin/people/${person.id}/disable`);
    assert.equal(page.response.status, 200);
    const [event] = await server.sql("select request_id from audit_event where type = 'account_disabled' and account_id = $1", [person.id]);
    const own = await byRequest(String(event?.['request_id']));
    assert.deepEqual(typesOn(own), ['account_disabled']);
    assert.match(own, new RegExp(`Operator · <a href="/admin/people/${admin.id}"><bdi>${admin.email}</bdi></a>`));

    assert.equal(runCommand(server, 'clients', 'restore', of.client_id).status, 0);
    const command = await byRequest('operator');
    assert.deepEqual(typesOn(command), ['client_restored']);
    assert.match(command, /By a command on the server/);
  });

  it('goes on, page by page, without a gap or a row twice', async () => {
    const auditor = await signInAs(server, 'auditor');
    const person = await server.createPerson();
    await server.sql(
      "insert into audit_event (id, type, account_id, request_id, detail) select uuidv7()::text, 'signed_in', $1, 'many-' || n, '{}' from generate_series(1, 120) n",
      [person.id],
    );
    const seen: string[] = [];
    let path: string | undefined = `/admin/audit?${new URLSearchParams({ person: person.email })}`;
    while (path) {
      const { status, html }: { status: number; html: string } = await look(auditor, path);
      assert.equal(status, 200);
      seen.push(...[...html.matchAll(/<code>(many-\d+)<\/code>/g)].map(([, id]) => id as string));
      path = /href="(\/admin\/audit\?[^"]*cursor=[^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&');
    }
    assert.equal(seen.length, 120);
    assert.equal(new Set(seen).size, 120);
  });

  it('is exported as JSON Lines, in batches, as it is narrowed down; that it was, is in it', async () => {
    const auditor = await signInAs(server, 'auditor');
    const client = await server.createClient();
    await server.sql(
      "insert into audit_event (id, type, client_id, detail) select uuidv7()::text, 'client_changed', $1, jsonb_build_object('n', n, 'text', E'a\\nb') from generate_series(1, 1201) n",
      [client.client_id],
    );
    const page = await act(auditor, '/admin/audit', { client: client.client_id });
    assert.equal(page.response.status, 200);
    assert.match(String(page.response.headers.get('content-type')), /^application\/jsonl/);
    assert.match(String(page.response.headers.get('content-disposition')), /attachment; filename="audit\.jsonl"/);
    const lines = page.html
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; client_id: string; detail: { n: number } });
    assert.equal(lines.length, 1_201);
    assert.equal(new Set(lines.map(({ id }) => id)).size, 1_201);
    assert.ok(lines.every(({ client_id }) => client_id === client.client_id));
    const [event] = await server.sql("select actor_id, detail from audit_event where type = 'audit_exported' order by at desc limit 1");
    assert.deepEqual(event, { actor_id: auditor.id, detail: { client: client.client_id } });
    assert.match((await act(auditor, '/admin/audit')).html, /"type":"audit_exported"/);
  });

  it('is not exported to support, nor by a filter that makes no sense', async () => {
    const [support, auditor] = [await signInAs(server, 'support'), await signInAs(server, 'auditor')];
    const count = () => server.sql("select count(*)::int as count from audit_event where type = 'audit_exported'");
    const before = await count();
    assert.equal((await act(support, '/admin/audit')).response.status, 404);
    assert.equal((await act(auditor, '/admin/audit', { from: 'soon' })).response.status, 400);
    assert.deepEqual(await count(), before);
  });

  it('is only ever added to: the database refuses a change', async () => {
    await server.sql("insert into audit_event (id, type, detail) values (uuidv7()::text, 'signed_in', '{}')");
    const before = await server.sql('select * from audit_event order by id');
    await assert.rejects(server.sql("update audit_event set type = 'nothing'"), /audit_event is append-only/);
    await assert.rejects(server.sql('update audit_event set actor_id = null'), { code: '42501' });
    assert.deepEqual(await server.sql('select * from audit_event order by id'), before);
  });
});
