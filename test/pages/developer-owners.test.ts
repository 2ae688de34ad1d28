import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { lettersTo } from '../support/mailbox.ts';
import { API, comeToPortal, type Developer, fill, own, registerApi } from '../support/owned-apis.ts';

describe('Who looks after a client', () => {
  let server: TestServer;

  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  type Scene = { client: string; path: string; owner: Developer; guest: Developer };

  const scene = async (): Promise<Scene> => {
    const [owner, guest, { client_id }] = await Promise.all([comeToPortal(server), comeToPortal(server), server.createClient()]);
    await own(server, client_id, owner.id);
    await server.sql(`delete from rate_limit`);
    return { client: client_id, path: `/developer/clients/${client_id}/owners`, owner, guest };
  };
  const ownersOf = async (client: string) =>
    (await server.sql('select account_id from client_owner where client_id = $1 order by created_at', [client])).map(
      ({ account_id }) => account_id,
    );
  const open = (client: string) => server.sql('select * from client_invitation where client_id = $1 order by created_at', [client]);
  const invite = async ({ client, path, owner, guest }: Scene, more: Record<string, string> = {}) => {
    await fill(owner, path, { email: guest.email, ...more });
    const [{ id } = { id: undefined }] = await open(client);
    return String(id);
  };
  const answer = (developer: Developer, invitation: string, said = 'accept') =>
    fill(developer, '/developer/invitations', { invitation, answer: said });

  it('is shown to its owners alone, who see one another by name and address', async () => {
    const { client, path, owner, guest } = await scene();
    const page = await owner.browser.open(path);
    assert.match(page.html, new RegExp(owner.email));
    assert.equal((await guest.browser.open(path)).response.status, 404);
    await own(server, client, guest.id);
    assert.match((await guest.browser.open(path)).html, new RegExp(owner.email));
  });

  it('becomes one more by an invitation that the address alone can accept', async () => {
    const at = await scene();
    const { client, owner, guest } = at;
    const invitation = await invite(at);
    assert.equal((await lettersTo(server, guest.email)).length, 1);
    const stranger = await comeToPortal(server);
    assert.equal((await answer(stranger, invitation)).response.status, 422);
    assert.deepEqual(await ownersOf(client), [owner.id]);
    assert.match((await guest.browser.open('/developer')).html, /href="\/developer\/invitations"/);
    const page = await guest.browser.open('/developer/invitations');
    assert(page.html.includes(invitation) && page.html.includes(client));
    assert.equal((await answer(guest, invitation)).url.pathname, at.path);
    assert.deepEqual(await ownersOf(client), [owner.id, guest.id]);
    assert.equal((await answer(guest, invitation)).response.status, 422, 'once');
    assert.deepEqual(await eventsOf(server, owner.id), ['client_owner_invited']);
    assert.deepEqual(await eventsOf(server, guest.id), ['client_owner_joined']);
  });

  it('changes hands at once, however often the invitation is accepted in one moment', async () => {
    const at = await scene();
    const { client, owner, guest } = at;
    const api = await registerApi(owner);
    await server.sql('update client set introspects = $1 where id = $2', [API.identifier, client]);
    const invitation = await invite(at, { transfer: 'yes' });
    const answers = await Promise.all(Array.from({ length: 10 }, () => answer(guest, invitation)));
    assert.equal(answers.filter(({ response }) => response.status === 200).length, 1);
    assert.deepEqual(await ownersOf(client), [guest.id]);
    assert.equal((await owner.browser.open(at.path)).response.status, 404);
    const [kept] = await server.sql('select introspects from client where id = $1', [client]);
    assert.equal(kept?.['introspects'], null, "the API stays its owner's, and the client is not theirs any more");
    assert.deepEqual(await eventsOf(server, guest.id), ['client_owner_joined']);
    assert.deepEqual((await eventsOf(server, owner.id)).slice(0, 1), ['client_owner_left']);
    await fill(owner, `${api}/delete`, { certain: 'yes' });
  });

  it('stays as it is when an invitation is declined, withdrawn, has expired, or its inviter has left', async () => {
    const at = await scene();
    const { client, path, owner, guest } = at;
    const second = await comeToPortal(server);
    await own(server, client, second.id);
    for (const [how, meanwhile] of [
      ['declined', (id: string) => answer(guest, id, 'decline')],
      ['withdrawn', (id: string) => fill(second, path, { withdraw: id })],
      ['expired', () => server.sql('update client_invitation set expires_at = now()')],
      ['left', () => fill(owner, path, { leave: 'yes', certain: 'yes' })],
    ] as const) {
      const invitation = await invite(at);
      await meanwhile(invitation);
      const before = await ownersOf(client);
      assert.doesNotMatch((await guest.browser.open('/developer/invitations')).html, new RegExp(invitation), how);
      assert.equal((await answer(guest, invitation)).response.status, 422, how);
      assert.deepEqual(await ownersOf(client), before, how);
    }
    assert.deepEqual(await ownersOf(client), [second.id]);
  });

  it('is nothing to an address that was not proven', async () => {
    const at = await scene();
    const invitation = await invite(at);
    await server.sql('update user_account set email_verified = false where id = $1', [at.guest.id]);
    assert.doesNotMatch((await at.guest.browser.open('/developer/invitations')).html, new RegExp(invitation));
    assert.equal((await answer(at.guest, invitation)).response.status, 422);
    assert.deepEqual(await ownersOf(at.client), [at.owner.id]);
  });

  it('answers alike whether the address has an account or not, and tells it nothing that somebody chose', async () => {
    const { path, owner, guest } = await scene();
    const [known, unknown] = [await fill(owner, path, { email: guest.email }), await fill(owner, path, { email: 'nobody@people.example' })];
    const shown = (html: string) =>
      html.replace(/[^ ]*@people\.example|\w{8}(-\w{4}){3}-\w{12}|csrf" value="[^"]+"/g, '').match(/<p class="notice[\s\S]*?<\/p>/)?.[0];
    assert.deepEqual(
      [known.response.status, known.url.search, shown(known.html)],
      [unknown.response.status, unknown.url.search, shown(unknown.html)],
    );
    assert.equal((await lettersTo(server, 'nobody@people.example')).length, 1);
  });

  it('has ten open invitations at most, and one an address', async () => {
    const at = await scene();
    const { client, path, owner } = at;
    await invite(at);
    await invite(at, { transfer: 'yes' });
    assert.deepEqual(
      (await open(client)).map(({ transfer }) => transfer),
      [true],
      'the newer one counts',
    );
    await server.sql(
      `insert into client_invitation (id, client_id, email, invited_by, expires_at)
       select gen_random_uuid()::text, $1, n || '@people.example', $2, now() + interval '1 day' from generate_series(1, 8) n`,
      [client, owner.id],
    );
    const pages = await Promise.all(['a', 'b', 'c'].map((name) => fill(owner, path, { email: `${name}@people.example` })));
    assert.deepEqual(pages.map(({ response }) => response.status).sort(), [200, 422, 422]);
    assert.equal((await open(client)).length, 10);
  });

  for (const email of ['', 'no address', 'a@b', 'x'.repeat(400)])
    it(`invites nobody at ${email.slice(0, 20) || 'no address at all'}`, async () => {
      const { client, path, owner } = await scene();
      assert.equal((await fill(owner, path, { email })).response.status, 422);
      assert.deepEqual(await open(client), []);
    });

  it('never is nobody: two owners who leave in one moment leave one', async () => {
    const { client, path, owner, guest } = await scene();
    await own(server, client, guest.id);
    await fill(owner, path, { leave: 'yes' });
    assert.equal((await ownersOf(client)).length, 2, 'without a tick nobody leaves');
    await Promise.all([owner, guest].map((each) => fill(each, path, { leave: 'yes', certain: 'yes' })));
    assert.equal((await ownersOf(client)).length, 1);
  });

  it('is told before an account is deleted, and is in the copy of what is kept of a person', async () => {
    const { client, owner } = await scene();
    await registerApi(owner, { identifier: 'https://copy.example' });
    const page = await owner.browser.open('/account/delete');
    assert.match(page.html, /You are the only owner of 1 app[\s\S]*1 API of yours/);
    const copy = await fill(owner, '/account/export');
    const { ownedApps, ownedApis } = JSON.parse(copy.html) as { ownedApps: { clientId: string }[]; ownedApis: { identifier: string }[] };
    assert.deepEqual(
      [ownedApps.map(({ clientId }) => clientId), ownedApis.map(({ identifier }) => identifier)],
      [[client], ['https://copy.example']],
    );
  });
});
