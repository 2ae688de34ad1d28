import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { allowServices } from '../../src/oauth/clients/store.ts';
import { openAccount } from '../support/account.ts';
import { act, signInAs } from '../support/admin.ts';
import { call, createMachine, letAdminister, machineToken, problemOf } from '../support/admin-api.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { lettersTo } from '../support/mailbox.ts';
import { makeClient, NEW_CLIENT, secretOn, sendTo } from '../support/portal.ts';
import { METADATA, manage, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';
import { addProvider, startUpstream } from '../support/upstream.ts';

/** An act depends on the power of its target: an actor may not give control of a client that can do more than the actor. */
describe('The power of a client', () => {
  let server: TestServer;
  let bot: string;
  before(async () => {
    server = await startTestServer();
    bot = await machineToken(server, await createMachine(server, ['admin:clients']));
  });
  after(() => server.close());

  const able = {
    'a scope of the admin API': (id: string) => letAdminister(server, id, ['admin:keys']),
    'a service of an upstream provider': (id: string) =>
      server.database.change(allowServices(id, { services: ['far'], origins: [] })).then(() => {}),
  };
  const ownersOf = (id: string) => countRows(server, 'client_owner where client_id = $1', [id]);

  async function above(request: string, as: string, body?: unknown): Promise<void> {
    const said = await unchanged(server, () => call(server, as, request, body), ['rate_limit']);
    assert.equal(said.status, 403, JSON.stringify(said.body));
    assert.equal(problemOf(said), 'above');
  }

  for (const [what, give] of Object.entries(able)) {
    it(`with ${what} is out of reach for an actor without the same: no new owner, no restoring`, async () => {
      const eve = await server.createPerson();
      const [plain, strong] = [await server.createClient(), await server.createClient()];
      await give(strong.client_id);
      const add = (id: string) => `POST /clients/${id}/add-owner`;
      assert.equal((await call(server, bot, add(plain.client_id), { account: eve.id })).status, 200);
      await above(add(strong.client_id), bot, { account: eve.id });
      for (const { client_id } of [plain, strong])
        assert.equal((await call(server, bot, `POST /clients/${client_id}/suspend`)).status, 200, 'to suspend gives nobody anything');
      assert.equal((await call(server, bot, `POST /clients/${plain.client_id}/restore`)).status, 200);
      await above(`POST /clients/${strong.client_id}/restore`, bot);
      const ops = await machineToken(server, await createMachine(server));
      assert.equal((await call(server, ops, `POST /clients/${strong.client_id}/restore`)).status, 200);
      assert.equal((await call(server, ops, add(strong.client_id), { account: eve.id })).status, 200);
      assert.equal(await ownersOf(strong.client_id), 1);
    });
  }

  it('is checked again under the lock, so that power gained meanwhile counts', async () => {
    const [client, eve] = [await server.createClient(), await server.createPerson()];
    const path = `POST /clients/${client.client_id}/add-owner`;
    const answers = await Promise.all([
      ...Array.from({ length: 5 }, () => call(server, bot, path, { account: eve.id })),
      letAdminister(server, client.client_id, ['admin:roles']),
    ]);
    for (const answer of answers.slice(0, 5))
      assert([200, 403, 409].includes((answer as { status: number }).status), JSON.stringify(answer));
    await above(path, bot, { account: eve.id });
  });

  it('at upstream providers can be given only by an actor who has it', async () => {
    const upstream = await startUpstream();
    await addProvider(server, upstream);
    const { client_id } = await server.createClient();
    const path = `POST /clients/${client_id}/allow-services`;
    await above(path, bot, { services: ['far'] });
    assert.deepEqual(await server.sql('select services from client where id = $1', [client_id]), [{ services: [] }]);
    assert.equal((await call(server, bot, path, { services: [] })).status, 200, 'to take is free');
    const reaching = await createMachine(server, ['admin:clients']);
    await server.database.change(allowServices(reaching.client_id, { services: ['far'], origins: [] }));
    assert.equal((await call(server, await machineToken(server, reaching), path, { services: ['far'] })).status, 200);
    await upstream.close();
  });

  describe('with admin scopes, which only operators change', () => {
    async function owned() {
      const developer = await server.createPerson();
      const made = await makeClient(server, developer);
      return { developer, made };
    }

    it('closes its pages in the portal, and the list gives its owner the reason', async () => {
      const { developer, made } = await owned();
      const paths = ['', '/secrets', '/preview', '/delete', '/owners', '/manifest', '/errors', '/snippets', '/use', '/try'];
      const at = (path: string) => `/developer/clients/${made.client_id}${path}`;
      const list = await openAccount(server, developer, '/developer', made.page.person);
      assert.match(list.html, new RegExp(`href="${at('')}"`));
      await letAdminister(server, made.client_id, ['admin:read']);
      for (const path of paths) {
        const { status } = await made.page.person.request(at(path));
        assert.equal(status, 404, path);
      }
      const after = await made.page.person.open('/developer');
      assert.match(after.html, /only operators can change it|운영자만 바꿀 수 있어요/);
      assert.doesNotMatch(after.html, new RegExp(at('')));
    });

    it('keeps its owner from creating a secret, changing a redirect URI, inviting and deleting', async () => {
      const { developer, made } = await owned();
      const form = await openAccount(server, developer, NEW_CLIENT, made.page.person);
      await letAdminister(server, made.client_id, ['admin:read']);
      const forms: [string, Record<string, string>][] = [
        ['/secrets', { action: 'make', overlap: '24' }],
        ['', { client_name: 'Walking Club', redirect_uris: 'https://thief.example/cb', scope: 'openid' }],
        ['/owners', { action: 'invite', email: 'thief@people.example' }],
        ['/delete', { typed: 'Walking Club' }],
        ['/manifest', { manifest: '{}' }],
      ];
      for (const [path, fields] of forms) {
        const page = await unchanged(server, () => sendTo(form, `/developer/clients/${made.client_id}${path}`, fields), ['session']);
        assert.equal(page.response.status, 404, path);
        assert.equal(secretOn(page), undefined);
      }
    });

    it('keeps it from changing itself by its registration access token (RFC 7592 section 2.2)', async () => {
      const client = await register(server, METADATA);
      const body = { ...METADATA, client_id: client['client_id'], redirect_uris: ['https://thief.example/cb'] };
      await letAdminister(server, String(client['client_id']), ['admin:read']);
      const refused = await unchanged(server, () => manage(server, client, 'PUT', body));
      assert.equal(refused.status, 403);
      assert.equal(((await refused.json()) as { error: string }).error, 'client_administers');
      await letAdminister(server, String(client['client_id']), []);
      assert.equal((await manage(server, client, 'PUT', body)).status, 200);
    });
  });

  it('is visible to its owners: a mail tells them what an operator did', async () => {
    const owner = await server.createPerson();
    await server.sql(`update user_account set locale = 'ko' where id = $1`, [owner.id]);
    const made = await makeClient(server, owner, { client_name: 'Walking Club' });
    const operator = await signInAs(server, 'admin');
    await act(operator, `/admin/clients/${made.client_id}/suspend`);
    assert.equal((await call(server, bot, `POST /clients/${made.client_id}/restore`)).status, 200);
    const letters = (await lettersTo(server, owner.email)).filter(({ subject }) => /운영자/.test(subject));
    assert.equal(letters.length, 2);
    assert.match(String(letters[0]?.text), /Walking Club/);
    assert.match(String(letters[1]?.text), /앱의 정지를 해제했어요/);
    for (const { text } of letters) assert.doesNotMatch(text, /127\.0\.0/, 'where the operator was is not the owner’s to know');
  });
});
