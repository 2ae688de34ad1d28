import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { createResourceServerClient, introspect, obtainCode, obtainTokens, redeem, refresh, type TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { countRows } from '../support/storage.ts';

describe('Changing the password', () => {
  let server: TestServer;
  let client: TestClient;
  let api: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    api = await createResourceServerClient(server);
  });
  after(() => server.close());

  const NEW = 'purple kettle on the roof';
  const PATH = '/account/password';
  const hashOf = async (id: string) =>
    (await server.sql('select password_hash from user_account where id = $1', [id]))[0]?.['password_hash'];
  const isActive = async (token: string | undefined) => (await introspect(server, api, String(token)))['active'];

  it('ends every other session, grant, token and sign-in under way, keeps this browser signed in, and is told by letter', async () => {
    const [person, bystander] = [await server.createPerson(), await server.createPerson()];
    const [one, two] = [
      await obtainTokens(server, client, person, { scope: 'openid api' }),
      await obtainTokens(server, client, person, { scope: 'openid offline_access' }),
    ];
    const other = await obtainTokens(server, client, bystander);
    const code = await obtainCode(server, client, person);
    const page = await openAccount(server, person, PATH);
    const done = await send(page, PATH, { current: person.password, new: NEW });
    assert.equal(done.url.pathname + done.url.search, `${PATH}?done`);

    for (const token of [one.access_token, one.refresh_token, two.access_token, two.refresh_token])
      assert.equal(await isActive(token), false);
    assert.equal((await refresh(server, client, String(two.refresh_token))).status, 400);
    assert.equal((await redeem(server, client, code)).status, 400);
    assert.equal(await isActive(other.access_token), true, "nobody else's");
    for (const { person: browser } of [one, two, code]) assert.match((await browser.open('/account')).html, /name="password"/);
    assert.equal((await page.person.open('/account')).url.pathname, '/account', 'this one stays');
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 1);
    assert.equal(await countRows(server, 'grant_record where account_id = $1', [person.id]), 0);
    assert.equal((await eventsOf(server, person.id))[0], 'password_changed');
    assert.match(String((await lettersTo(server, person.email)).at(-1)?.subject), /password/i);

    const stranger = await new Person(server.issuer).open('/account');
    assert.equal((await stranger.submit(person)).response.status, 401, 'the old one is worth nothing');
    assert.equal((await stranger.submit({ email: person.email, password: NEW })).url.pathname, '/account');
  });

  it('leaves no way in to a sign-in with the old one that waits at its last step', async () => {
    const person = await server.createPerson();
    const thief = new Person(server.issuer);
    const asked = await thief.open('/account');
    const { action, hidden } = asked.form();
    const waiting = await thief.request(action, {
      method: 'POST',
      body: new URLSearchParams({ ...hidden, email: person.email, password: person.password }),
    });
    assert.equal(waiting.status, 303);
    await send(await openAccount(server, person, PATH), PATH, { current: person.password, new: NEW });
    const late = await thief.open(String(waiting.headers.get('location')));
    assert.equal(late.response.status, 400);
    assert.match((await thief.open('/account')).html, /name="password"/);
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 1);
  });

  it('takes the current one: a wrong one changes nothing, and its owner can see that it was tried', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    const before = await hashOf(person.id);
    for (const current of ['', 'not this one', `${person.password} `, 'x'.repeat(5_000)]) {
      const answer = await send(page, PATH, { current, new: NEW });
      assert.equal(answer.response.status, 422);
      assert.match(answer.html, /role="alert"[^>]*>The current password is wrong/);
      assert.match(answer.html, /<title>Error: /);
    }
    assert.equal(await hashOf(person.id), before);
    assert.deepEqual(new Set(await eventsOf(server, person.id)), new Set(['password_change_failed']));
    assert.deepEqual(await lettersTo(server, person.email), []);
  });

  it('looks at ten guesses in a quarter of an hour at most, however many come at once', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => (await send(page, PATH, { current: `guess ${n}`, new: NEW })).response.status),
    );
    assert.equal(statuses.filter((status) => status === 422).length, 10);
    assert.equal(statuses.filter((status) => status === 429).length, 30);
    const right = await send(page, PATH, { current: person.password, new: NEW });
    assert.equal(right.response.status, 429);
    assert(Number(right.response.headers.get('retry-after')) > 0);
    assert.match(right.html, /<h1>Too many attempts<\/h1>/);
  });

  it('refuses a new one that must not be chosen, and says why', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    const before = await hashOf(person.id);
    for (const chosen of ['', 'short', 'password123', person.username, 'tab\tin the middle', 'y'.repeat(3_000)]) {
      const answer = await send(page, PATH, { current: person.password, new: chosen });
      assert.equal(answer.response.status, 422, chosen);
      assert.match(answer.html, /id="new"[^>]*aria-describedby="new-hint problem" aria-invalid="true"/);
      assert(
        !answer.html.includes(person.password) && (chosen.length < 6 || !answer.html.includes(`"${chosen}"`)),
        'no password comes back',
      );
    }
    assert.equal((await send(page, PATH, { current: person.password, new: '\0'.repeat(20) })).response.status, 400);
    assert.equal(await hashOf(person.id), before);
  });

  it('of two forms at once changes by one', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    const answers = await Promise.all(
      [`${NEW} one`, `${NEW} two`].map((chosen) => send(page, PATH, { current: person.password, new: chosen })),
    );
    assert.deepEqual(answers.map(({ response }) => response.status).sort(), [200, 422]);
    assert.equal((await eventsOf(server, person.id)).filter((type) => type === 'password_changed').length, 1);
    assert.equal((await lettersTo(server, person.email)).length, 1);
  });

  it('asks for no current one where there is none, and sets the first', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    await server.sql('update user_account set password_hash = null where id = $1', [person.id]);
    const without = await page.person.open(PATH);
    assert.doesNotMatch(without.html, /name="current"/);
    assert.equal((await send(without, PATH, { new: NEW })).url.search, '?done');
    assert.match(String(await hashOf(person.id)), /^\$argon2id\$/);
  });
});
