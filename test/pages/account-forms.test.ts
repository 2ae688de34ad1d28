import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ageSignIns, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { proveEveryMailbox } from '../support/factors.ts';
import { authorizePath, obtainTokens, pkce } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { unchanged } from '../support/storage.ts';

/** What every form of the account has in common, when it is not filled in by its person on its page. */

const FORMS: Record<string, Record<string, string>> = {
  '/account/profile': { name: 'Somebody Else', username: 'USERNAME', language: 'ko' },
  '/account/email': { email: 'NEW_EMAIL' },
  '/account/password': { current: 'PASSWORD', new: 'purple kettle on the roof' },
  '/account/apps': { client: 'CLIENT' },
  '/account/links': { unlink: 'far' },
  '/account/sessions': { others: 'yes' },
  '/account/export': {},
  '/account/delete': { certain: 'yes' },
};

const urlencoded = { 'content-type': 'application/x-www-form-urlencoded' };

describe('Forms of the account', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
    await proveEveryMailbox(server);
    const settings = { issuer: 'https://far.example', clientId: 'munjigi' };
    await server.sql(`insert into upstream_provider (id, name, settings) values ('far', 'Far', $1)`, [settings]);
  });
  after(() => server.close());

  /** Somebody with an app and a second browser, on a page, and what its form takes. */
  async function onPage(path: string) {
    const person = await server.createPerson();
    const client = await server.createClient();
    const { person: second } = await obtainTokens(server, client, person);
    await server.sql(
      `insert into upstream_identity (id, provider_id, subject, account_id, details) values (gen_random_uuid(), 'far', $1, $1, '{}')`,
      [person.id],
    );
    const page = await openAccount(server, person, path);
    const fields = Object.fromEntries(
      Object.entries(FORMS[path] ?? {}).map(([name, value]) => [
        name,
        { PASSWORD: person.password, CLIENT: client.client_id, USERNAME: person.username, NEW_EMAIL: `new.${person.email}` }[value] ??
          value,
      ]),
    );
    return { person, client, page, fields, second };
  }

  const refused = async (status: number, why: string, attempt: () => Promise<Page>) => {
    const page = await unchanged(server, attempt);
    assert.equal(page.response.status, status, why);
    assert.match(page.html, /<h1>/, why);
  };

  for (const path of Object.keys(FORMS)) {
    it(`${path}: refused without its token, with another person's or another browser's, and from another site; then the right one works`, async () => {
      const { page, fields, second, person } = await onPage(path);
      const [other, mine] = [
        await openAccount(server, await server.createPerson(), '/account/profile'),
        await openAccount(server, person, '/account/profile', second),
      ];
      for (const csrf of ['', 'guessed', '\u202e', String(other.form().hidden['csrf']), String(mine.form().hidden['csrf'])])
        await refused(403, `csrf ${csrf}`, () => send(page, path, { ...fields, csrf }));
      await refused(403, 'no token at all', () => page.person.open(path, { method: 'POST', body: new URLSearchParams(fields) }));
      for (const headers of [
        { origin: 'https://evil.example' },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
      ] as Record<string, string>[])
        await refused(403, JSON.stringify(headers), () => send(page, path, fields, headers));
      const done = await send(page, path, fields);
      assert.equal(done.response.status, 200);
    });

    it(`${path}: refused when it is too large, of another type, or of text that nothing can keep`, async () => {
      const { page, fields } = await onPage(path);
      const right = new URLSearchParams({ ...fields, csrf: String(page.form().hidden['csrf']) });
      const post = (body: string, headers: Record<string, string>) => page.person.open(path, { method: 'POST', body, headers });
      await refused(413, 'too large', () => post(`${right}&more=${'x'.repeat(70_000)}`, urlencoded));
      await refused(400, 'too many fields', () => post(`${right}${'&more=1'.repeat(200)}`, urlencoded));
      await refused(400, 'NUL', () => post(`${right}&more=%00`, urlencoded));
      await refused(415, 'JSON', () => post(JSON.stringify(Object.fromEntries(right)), { 'content-type': 'application/json' }));
      await refused(403, 'empty', () => post('', urlencoded));
    });

    it(`${path}: takes a sign-in of a moment ago, and outlives one of the same person`, async () => {
      const { person, page, fields } = await onPage(path);
      await ageSignIns(server, 901);
      const asked = await send(page, path, fields);
      assert.match(asked.html, /name="password"/);
      const back = await asked.submit(person);
      assert.equal(back.url.pathname, path);
      assert.equal((await send(page, path, fields)).response.status, 200);
    });

    it(`${path}: refused when somebody else has signed in meanwhile, in another tab`, async () => {
      const { client, page, fields } = await onPage(path);
      const other = await server.createPerson();
      const asked = await page.person.open(authorizePath(client, { ...pkce(), code_verifier: undefined, prompt: 'login' }));
      assert((await asked.submit(other)).html.includes(other.email));
      await refused(403, 'the form of the one before', () => send(page, path, fields));
    });

    it(`${path}: shows no page to who is not signed in, and answers no other method`, async () => {
      const stranger = new Person(server.issuer);
      assert.match((await stranger.open(path)).html, /name="password"/);
      assert.match((await stranger.open(path, { method: 'POST', body: new URLSearchParams(FORMS[path]) })).html, /name="password"/);
      for (const method of ['PUT', 'DELETE', 'PATCH']) assert.equal((await stranger.request(path, { method })).status, 404);
    });
  }
});
