import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openAccount } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { comeToPortal, type Developer, fill, registerApi } from '../support/owned-apis.ts';
import type { Page } from '../support/person.ts';
import { ANSWERS, creationOn, NEW_CLIENT, secretOn, sendTo } from '../support/portal.ts';
import { countRows, passAMinute } from '../support/storage.ts';

const TEXT = JSON.stringify({ munjigi_manifest: 1, client_name: 'Moonlight', redirect_uris: ['https://client.example/callback'] });

/** A second press, or a reload of the answer, sends a form once more. */
describe('A form that makes a client', () => {
  let server: TestServer;
  let developer: Developer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const begin = async () => {
    developer = await comeToPortal(server);
    developer.browser.headers = { 'accept-language': 'en' };
  };
  const owned = () => countRows(server, 'client_owner where account_id = $1', [developer.id]);

  /** Each way to make one: the form as it is sent, however often. */
  const ways: Record<string, () => Promise<() => Promise<Page>>> = {
    'by the three questions': async () => {
      const form = await openAccount(server, developer.credentials, NEW_CLIENT, developer.browser);
      return () => sendTo(form, NEW_CLIENT, ANSWERS);
    },
    'of a manifest': async () => {
      const creation = creationOn(await fill(developer, '/developer/import', { text: TEXT })) ?? '';
      return () => fill(developer, '/developer/import', { text: TEXT, creation, apply: 'yes' });
    },
    'for an API': async () => {
      const path = `${await registerApi(developer, { identifier: `https://books.example/${crypto.randomUUID()}` })}/introspection`;
      const form = await developer.browser.open(path);
      return () => sendTo(form, path, { make: 'yes' });
    },
  };

  for (const [way, open] of Object.entries(ways)) {
    it(`${way}: makes one, however often it is sent: a second press shows its secret, a later one leads to it without`, async () => {
      await begin();
      const send = await open();
      const first = await send();
      const secret = String(secretOn(first));
      assert.equal(secret.length, 43);
      const second = await send();
      assert.equal(secretOn(second), secret);
      await passAMinute(server);
      const again = await send();
      assert.equal(again.response.status, 200);
      assert.match(again.url.pathname, /^\/developer\/clients\/[0-9a-f-]{36}$/);
      assert.match(again.html, /This app already exists/);
      assert(!again.html.includes(secret) && secretOn(again) === undefined);
      assert.equal(await owned(), 1);
      assert.equal(
        await countRows(server, `client_secret where client_id = (select client_id from client_owner where account_id = $1)`, [
          developer.id,
        ]),
        1,
        'nor another secret',
      );
      assert.match((await (await open())()).html, /id="secret"/, 'a new form makes another');
    });

    it(`${way}: of five that come at once one makes it, and all get its answer`, async () => {
      await begin();
      const send = await open();
      const pages = await Promise.all([1, 2, 3, 4, 5].map(send));
      assert.deepEqual(pages.map(secretOn), Array(5).fill(secretOn(pages[0] as Page)));
      assert(secretOn(pages[0] as Page));
      assert.equal(await owned(), 1);
    });
  }

  it('brings no client back that was deleted, and shows the form anew', async () => {
    await begin();
    const send = await (ways['by the three questions'] as () => Promise<() => Promise<Page>>)();
    await send();
    await server.sql('delete from client where id in (select client_id from client_owner where account_id = $1)', [developer.id]);
    await passAMinute(server);
    const again = await send();
    assert.equal(secretOn(again), undefined);
    assert.equal(await owned(), 0);
  });

  it('is one of ours, for this person: none, another’s and a guessed one make nothing', async () => {
    await begin();
    const stranger = developer;
    await begin();
    const creation = creationOn(await openAccount(server, stranger.credentials, NEW_CLIENT, stranger.browser)) ?? '';
    assert(creation);
    const page = await developer.browser.open(NEW_CLIENT);
    for (const other of [creation, '', 'guessed', creation.slice(1)]) {
      const sent = await sendTo(page, NEW_CLIENT, { ...ANSWERS, creation: other });
      assert.equal(sent.response.status, 422);
      assert.match(sent.html, /The form is too old/);
    }
    assert.equal(await owned(), 0);
  });
});
