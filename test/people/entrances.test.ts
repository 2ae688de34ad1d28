import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { newcomer, newestProof, openPage, openSignIn } from '../support/sign-up.ts';

describe('Ways in without an app, and with a wish', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ client_name: 'Moonlight' });
  });
  after(() => server.close());

  it('/signup begins an authorization of our own pages and ends there', async () => {
    const person = new Person(server.issuer);
    const form = await person.open('/signup');
    assert.match(form.html, /<h1>Create an account<\/h1>/);
    const wish = newcomer();
    const look = await form.submit(wish);
    const done = await look.submit({ code: (await newestProof(server, wish.email)).code });
    assert.match(done.url.pathname, /^\/account/);
    assert.equal(
      (await server.sql('select 1 from session s join user_account a on a.id = s.account_id where a.email = $1', [wish.email])).length,
      1,
    );
    for (const method of ['POST', 'PUT']) assert.equal((await person.request('/signup', { method })).status, 404);
  });

  it('prompt=create shows any client’s person the form first (Initiating User Registration 1.0 section 4), also when signed in', async () => {
    const metadata = (await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()) as {
      prompt_values_supported: string[];
    };
    assert(metadata.prompt_values_supported.includes('create'));
    for (const prompt of metadata.prompt_values_supported)
      assert.doesNotMatch((await openSignIn(server, client, { prompt })).url.href, /unsupported/, prompt);
    const known = await server.createPerson();
    const browser = (await (await openSignIn(server, client)).submit(known)).person;
    const form = await openSignIn(server, client, { prompt: 'create' }, browser);
    assert.match(form.html, /<h1>Create an account<\/h1>/);
    const wish = newcomer();
    const look = await form.submit(wish);
    let next = await look.submit({ code: (await newestProof(server, wish.email)).code });
    // The library first ends the session of the one before, by a form that sends itself.
    if (!next.html.includes('name="decision"')) next = await next.submit({});
    assert.match(next.html, new RegExp(wish.email));
    assert((await next.submit({ decision: 'approve' })).url.searchParams.get('code'));
  });

  it('prompt=create is fulfilled by signing in too, for who finds that they have an account', async () => {
    const known = await server.createPerson();
    const form = await openSignIn(server, client, { prompt: 'create', login_hint: known.email });
    assert.match(form.html, new RegExp(`value="${known.email}"`));
    const next = await (await openPage(form, 'login')).submit(known);
    assert.match(next.html, /name="decision"/);
  });

  it('/.well-known/change-password leads a password manager to the page (W3C)', async () => {
    const response = await fetch(`${server.issuer}/.well-known/change-password`, { redirect: 'manual' });
    assert.equal(response.status, 303);
    assert.equal(response.headers.get('location'), '/account/password');
  });

  it('a page of another step, or of none, leads to where things stand', async () => {
    const signIn = await openSignIn(server, client);
    for (const name of [
      'nowhere',
      'nowhere/at-all',
      'consent',
      'signup/resend',
      'constructor',
      '__proto__',
      'signup/code',
      'reset/code',
      'reset/password',
    ]) {
      const page = await openPage(signIn, name);
      assert.equal(page.response.status, 200, name);
      assert.match(page.html, /<h1>(Sign in|Create an account|Choose a new password)<\/h1>/, name);
    }
    assert.equal((await openPage(signIn, 'constructor/link')).response.status, 200);
    const consent = await (await openSignIn(server, client)).submit(await server.createPerson());
    for (const name of ['login', 'signup', 'reset', 'reset/password'])
      assert.match((await openPage(consent, name)).html, /name="decision"/, name);
  });
});
