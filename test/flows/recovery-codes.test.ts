import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addTotp, makeRecoveryCodes } from '../support/factors.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';

describe('Recovery codes', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const openFactor = async (person: { email: string; password: string }) =>
    (await new Person(server.issuer).open(authorizePath(client, { ...pkce(), code_verifier: undefined }))).submit({
      email: person.email,
      password: person.password,
    });
  const stored = (accountId: string) =>
    server.sql('select digest, used_at from recovery_code where account_id = $1 order by digest', [accountId]);
  async function withCodes() {
    const person = await server.createPerson();
    const { person: browser } = await addTotp(server, person);
    return { person, browser, codes: await makeRecoveryCodes(browser) };
  }

  it('are ten, readable, shown once, and stored as digests', async () => {
    const { person, browser, codes } = await withCodes();
    assert.equal(new Set(codes).size, 10);
    for (const code of codes) assert.match(code, /^[abcdefghjkmnpqrstuvwxyz2-9]{5}-[abcdefghjkmnpqrstuvwxyz2-9]{5}$/);
    const rows = JSON.stringify(
      await server.sql('select encode(digest, $2) as d from recovery_code where account_id = $1', [person.id, 'escape']),
    );
    for (const page of [await browser.open('/account/factors/recovery-codes'), await browser.open('/account/factors')])
      for (const code of codes) assert(!page.html.includes(code) && !rows.includes(code));
    assert.match((await browser.open('/account/factors')).html, /10 codes left/);
    for (const line of server.logLines()) for (const code of codes) assert(!line.includes(code));
  });

  it('replace the authenticator app, each once, in any spelling', async () => {
    const { person, codes } = await withCodes();
    const [first, second] = codes as [string, string];
    assert.match(
      (await (await openFactor(person)).submit({ recovery_code: ` ${first.toUpperCase().replace('-', ' ')} ` })).html,
      /value="approve"/,
    );
    const before = await stored(person.id);
    for (const wrong of [first, '', 'aaaaa-aaaaa', second.slice(1), 'x'.repeat(60_000)]) {
      const refused = await (await openFactor(person)).submit({ recovery_code: wrong });
      assert.equal(refused.response.status, 401);
      assert.match(refused.html, /not one of your recovery codes/);
      await server.sql('delete from rate_limit');
    }
    assert.deepEqual(await stored(person.id), before);
    assert.match((await (await openFactor(person)).submit({ recovery_code: second })).html, /value="approve"/);
    assert.equal(before.filter(({ used_at }) => used_at).length, 1);
    const events = await server.sql(`select 1 from audit_event where account_id = $1 and type = 'recovery_code_used'`, [person.id]);
    assert.equal(events.length, 2);
  });

  it('work once among twenty browsers that send one at the same time', async () => {
    const { person, codes } = await withCodes();
    const pages: Page[] = [];
    while (pages.length < 20) pages.push(await openFactor(person));
    let won = 0;
    // As many at once as the limit allows; a success resets the count.
    for (let at = 0; at < 20; at += 5) {
      const answers = await Promise.all(pages.slice(at, at + 5).map((page) => page.submit({ recovery_code: String(codes[0]) })));
      won += answers.filter(({ html }) => html.includes('value="approve"')).length;
      await server.sql('delete from rate_limit');
    }
    assert.equal(won, 1);
    assert.equal((await stored(person.id)).filter(({ used_at }) => used_at).length, 1);
  });

  it('of another account are refused', async () => {
    const [{ person, codes }, other] = [await withCodes(), await withCodes()];
    const before = await stored(person.id);
    assert.equal((await (await openFactor(other.person)).submit({ recovery_code: String(codes[0]) })).response.status, 401);
    assert.deepEqual(await stored(person.id), before);
  });

  it('replace the earlier set when they are created again', async () => {
    const { person, browser, codes } = await withCodes();
    const fresh = await makeRecoveryCodes(browser);
    assert.equal((await stored(person.id)).length, 10);
    assert.equal((await (await openFactor(person)).submit({ recovery_code: String(codes[0]) })).response.status, 401);
    assert.match((await (await openFactor(person)).submit({ recovery_code: String(fresh[0]) })).html, /value="approve"/);
  });

  it('are limited: of 100 wrong ones at once, no more than the limit are checked', async () => {
    const { person } = await withCodes();
    const page = await openFactor(person);
    const { action, hidden } = page.form();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () =>
        page.person.request(action, { method: 'POST', body: new URLSearchParams({ ...hidden, recovery_code: 'aaaaa-aaaaa' }) }),
      ),
    );
    assert.equal(answers.filter(({ status }) => status === 401).length, 5);
    assert.equal(answers.filter(({ status }) => status === 429).length, 95);
  });

  it('are not created for an account without a factor, and are deleted with the last one', async () => {
    const { person, browser } = await withCodes();
    const csrf = String((await browser.open('/account/factors')).form().hidden['csrf']);
    await browser.open('/account/factors/totp/remove', { method: 'POST', body: new URLSearchParams({ csrf }) });
    assert.deepEqual(await stored(person.id), []);
    const asked = await browser.open('/account/factors/recovery-codes', { method: 'POST', body: new URLSearchParams({ csrf }) });
    assert.equal(asked.url.pathname, '/account/factors');
    assert.deepEqual(await stored(person.id), []);
  });
});
