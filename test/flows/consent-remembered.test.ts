import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, callApi, obtainTokens, pkce, redeem, refresh, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

/** A user's consent to a client counts in every browser of that user until it ends, and for no other user. */
describe("A user's consent", () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  type Parameters = Record<string, string>;
  type Someone = Awaited<ReturnType<TestServer['createPerson']>>;
  const { code_verifier, ...challenge } = pkce();
  const open = (browser: Person, client: TestClient, parameters: Parameters = {}) =>
    browser.open(authorizePath(client, { ...challenge, ...parameters }));
  const grants = (client: TestClient, person: Someone) =>
    server.sql('select id, payload, created_at, expires_at from grant_record where client_id = $1 and account_id = $2', [
      client.client_id,
      person.id,
    ]);
  const asks = (page: Page) => page.html.includes('name="decision"');
  const hasCode = (page: Page) => page.url.searchParams.get('code') !== null;
  const scopeOf = async (client: TestClient, page: Page) => {
    const code = String(page.url.searchParams.get('code'));
    const answer = await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri });
    return ((await answer.json()) as { scope: string }).scope;
  };

  /** A browser in which a user signed in and allowed a new client what it asked for. */
  async function allowed(parameters: Parameters = {}, fields: Record<string, string | string[]> = {}, metadata: object = {}) {
    const [client, person] = await Promise.all([server.createClient(metadata), server.createPerson()]);
    const browser = new Person(server.issuer);
    const page = await (await (await open(browser, client, parameters)).submit(person)).submit({ decision: 'approve', ...fields });
    assert(hasCode(page));
    return { client, person, browser, page };
  }

  it('applies in another browser of the same user, and remains one grant', async () => {
    const { client, person } = await allowed();
    const elsewhere = await (await open(new Person(server.issuer), client)).submit(person);
    assert(hasCode(elsewhere), 'signing in is all there is to do');
    assert.equal((await grants(client, person)).length, 1);
  });

  it('is asked of another user, even in the same browser', async () => {
    const { client, browser } = await allowed();
    const other = await server.createPerson();
    const page = await (await open(browser, client, { prompt: 'login' })).submit(other);
    assert(asks(page));
    assert.match(page.html, new RegExp(other.email));
    assert.deepEqual(await grants(client, other), []);
  });

  it('is asked for again after it was revoked, or expired before its deletion', async () => {
    for (const end of ['delete from grant_record', `update grant_record set expires_at = now() - interval '1 second'`]) {
      const { client, person, browser } = await allowed();
      await server.sql(`${end} where account_id = $1`, [person.id]);
      const page = await open(browser, client);
      assert(asks(page), end);
      assert(asks(await (await open(new Person(server.issuer), client)).submit(person)), 'elsewhere too');
      assert(hasCode(await page.submit({ decision: 'approve' })));
      assert.equal(await countRows(server, 'grant_record where account_id = $1 and expires_at > now()', [person.id]), 1);
    }
  });

  it('does not restore tokens of an expired grant', async () => {
    const [client, person] = await Promise.all([server.createClient(), server.createPerson()]);
    const { refresh_token, person: browser } = await obtainTokens(server, client, person);
    await server.sql(`update grant_record set expires_at = now() - interval '1 second' where account_id = $1`, [person.id]);
    await (await open(browser, client)).submit({ decision: 'approve' });
    assert.equal((await refresh(server, client, String(refresh_token))).status, 400);
  });

  it('ends when the client is suspended, and is asked for again after the suspension', async () => {
    const { client, person, browser } = await allowed();
    assert.equal(runCommand(server, 'clients', 'suspend', client.client_id, '--yes').status, 0);
    await eventually('the client is unknown', async () => (await open(browser, client)).response.status === 400);
    assert.deepEqual(await grants(client, person), []);
    assert.equal(runCommand(server, 'clients', 'restore', client.client_id).status, 0);
    await eventually('it is asked for', async () => asks(await open(browser, client)));
  });

  it('outlives a sign-out, which ends only what depends on the session', async () => {
    const [client, person] = await Promise.all([server.createClient(), server.createPerson()]);
    const [here, there] = [await obtainTokens(server, client, person), await obtainTokens(server, client, person)];
    const confirm = await (await here.person.open('/oauth/logout')).submit({ logout: 'yes' });
    assert.equal(confirm.response.status, 200);
    assert.equal((await callApi(server, '/api/me', here.access_token)).status, 401);
    assert.equal((await callApi(server, '/api/me', there.access_token)).status, 200, 'the other browser is still signed in');
    assert(hasCode(await (await open(here.person, client)).submit(person)), 'and nobody is asked twice');
  });

  it('is one grant when two browsers answer at once, with what both allowed', async () => {
    const [client, person] = await Promise.all([server.createClient(), server.createPerson()]);
    const ask = async (parameters: Parameters) => (await open(new Person(server.issuer), client, parameters)).submit(person);
    const pages = await Promise.all([ask({ scope: 'openid email' }), ask({ scope: 'openid profile restricted' })]);
    const answers = await Promise.all(pages.map((page) => page.submit({ decision: 'approve', scope: ['email', 'restricted'] })));
    assert(answers.every(hasCode), 'both are served');
    const [grant, ...more] = await grants(client, person);
    assert.deepEqual(more, []);
    const { openid } = (grant as { payload: { openid: { scope: string } } }).payload;
    assert.deepEqual(openid.scope.split(' ').sort(), ['email', 'openid', 'profile', 'restricted']);
    assert(hasCode(await (await open(new Person(server.issuer), client, { scope: 'openid profile email restricted' })).submit(person)));
  });

  it('is not prolonged by allowing more: it lasts 90 days', async () => {
    const { client, person, browser } = await allowed();
    await server.sql(`update grant_record set expires_at = now() + interval '5 days' where account_id = $1`, [person.id]);
    const [before] = await grants(client, person);
    await (await open(browser, client, { scope: 'openid profile api' })).submit({ decision: 'approve' });
    const [after] = await grants(client, person);
    assert.deepEqual([after?.['id'], after?.['expires_at']], [before?.['id'], before?.['expires_at']]);
    assert.deepEqual((after as { payload: { openid: object } }).payload.openid, { scope: 'openid profile api' });
  });

  it('is asked for when a client wants more, and not when it wants less', async () => {
    const { client, browser } = await allowed({ scope: 'openid profile email' });
    assert.equal(await scopeOf(client, await open(browser, client, { scope: 'openid' })), 'openid');
    assert.equal(await scopeOf(client, await open(browser, client, { scope: 'openid email' })), 'openid email');
    assert(asks(await open(browser, client, { scope: 'openid email api' })));
  });

  it('is not asked for declined scopes until the client uses prompt=consent or wants a new one too', async () => {
    const { client, person, browser } = await allowed({ scope: 'openid restricted' });
    assert.equal(await scopeOf(client, await open(browser, client, { scope: 'openid restricted' })), 'openid');
    for (const parameters of [{ prompt: 'consent', scope: 'openid restricted' }, { scope: 'openid restricted api' }] as Parameters[]) {
      const page = await open(browser, client, parameters);
      assert.match(
        page.html,
        /value="restricted"><span>[^<]*<span class="tag caution">Sensitive<\/span> <span class="tag">Declined before/,
      );
      assert.doesNotMatch(page.html, /value="restricted" checked/);
    }
    const elsewhere = await (await open(new Person(server.issuer), client, { scope: 'openid restricted' })).submit(person);
    assert.equal(await scopeOf(client, elsewhere), 'openid', 'in another browser no less');
  });

  it('can be withdrawn in part: access tokens with those scopes end at once, the others and the refresh token continue', async () => {
    const [client, person] = await Promise.all([server.createClient(), server.createPerson()]);
    const wide = await obtainTokens(server, client, person, { scope: 'openid profile restricted' });
    const narrow = await obtainTokens(server, client, person, { scope: 'openid profile' });
    const page = await open(wide.person, client, { scope: 'openid profile restricted', prompt: 'consent' });
    await page.submit({ decision: 'approve' });
    assert.equal((await callApi(server, '/api/me', wide.access_token)).status, 401);
    assert.equal((await callApi(server, '/api/me', narrow.access_token)).status, 200);
    const refreshed = await refresh(server, client, String(wide.refresh_token));
    assert.equal(((await refreshed.json()) as { scope: string }).scope, 'openid profile');
  });

  it('is not changed by a denial', async () => {
    const { client, person, browser } = await allowed();
    const before = await grants(client, person);
    const page = await open(browser, client, { scope: 'openid profile api' });
    assert.equal((await page.submit({ decision: 'deny' })).url.searchParams.get('error'), 'access_denied');
    assert.deepEqual(await grants(client, person), before);
  });

  it('is the latest answer: a denial overrides an approval that has not reached the client yet', async () => {
    const [client, person] = await Promise.all([server.createClient(), server.createPerson()]);
    const page = await (await open(new Person(server.issuer), client)).submit(person);
    const body = new URLSearchParams({ ...page.form().hidden, decision: 'approve' });
    assert.equal((await page.person.request(page.form().action, { method: 'POST', body })).status, 303);
    assert.equal((await page.submit({ decision: 'deny' })).url.searchParams.get('error'), 'access_denied');
    assert.deepEqual(await grants(client, person), []);
  });

  it('is recorded with the user, the client and the scopes; so is a denial, once', async () => {
    const { client, person, browser } = await allowed({ scope: 'openid email restricted' });
    const page = await open(browser, client, { prompt: 'consent' });
    const body = new URLSearchParams({ ...page.form().hidden, decision: 'deny' });
    for (let click = 0; click < 2; click++) await page.person.request(page.form().action, { method: 'POST', body });
    const events = await server.sql(
      `select type, client_id, detail from audit_event where account_id = $1 and type like 'consent%' order by id`,
      [person.id],
    );
    assert.deepEqual(events, [
      { type: 'consent_given', client_id: client.client_id, detail: { scopes: ['openid', 'email'], declined: ['restricted'] } },
      { type: 'consent_denied', client_id: client.client_id, detail: {} },
    ]);
  });

  it('applies to the API that it was given for, and is recorded for it', async () => {
    const resource = `${server.issuer}/api/posts`;
    const parameters = { scope: 'openid posts:read posts:write', resource };
    const { client, person, browser } = await allowed(parameters, {}, { required_scope: 'openid posts:read' });
    assert(hasCode(await open(browser, client, parameters)), 'what was answered is not asked again');
    const [event] = await server.sql(`select detail from audit_event where account_id = $1 and type = 'consent_given'`, [person.id]);
    assert.deepEqual(event?.['detail'], { scopes: ['openid', `${resource} posts:read`], declined: [`${resource} posts:write`] });
    const [grant] = await grants(client, person);
    assert.deepEqual((grant as { payload: { resources: object } }).payload.resources, { [resource]: 'posts:read' });
  });

  it('is not changed by viewing the page', async () => {
    const { client, browser } = await allowed();
    const page = await open(browser, client, { prompt: 'consent' });
    await unchanged(server, async () => assert(asks(await browser.open(page.url.pathname))));
  });
});
