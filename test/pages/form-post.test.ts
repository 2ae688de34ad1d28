import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { CLIENT_CALLBACK, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { approve, authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';

describe('The form that takes an answer to a client (OAuth 2.0 Form Post Response Mode)', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let client: TestClient;
  let person: Person;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
    client = await server.createClient({ redirect_uris: [CLIENT_CALLBACK] });
    person = new Person(server.issuer);
    await approve(server, person, await server.createPerson(), request());
  });
  after(() => Promise.all([server.close(), browser.close()]));

  const request = (parameters: Record<string, string> = {}) =>
    authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters });
  const answer = (language: string, parameters: Record<string, string> = {}) => {
    person.headers = { 'accept-language': language };
    return person.open(request({ response_mode: 'form_post', ...parameters }));
  };
  const fields = (page: Page) => page.form().hidden;

  for (const [language, said] of Object.entries({ en: 'We are sending your answer to the app', ko: '앱에 답을 보내고 있어요' }))
    it(`is a page like the others, in ${language}, with the library's script and no other`, async () => {
      const page = await answer(language, { state: '"><script>alert(1)</script>' });
      assert.equal(page.response.status, 200);
      assert.match(page.html, new RegExp(`<html lang="${language}">`));
      assert(page.html.includes(said));
      assert.equal(page.response.headers.get('cache-control'), 'no-store');
      const scripts = [...page.html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => String(text));
      assert.equal(scripts.length, 1);
      const hash = createHash('sha256').update(String(scripts[0])).digest('base64');
      assert(String(page.response.headers.get('content-security-policy')).includes(`'sha256-${hash}'`), 'the policy lets that one run');
      assert.equal(page.form().action, CLIENT_CALLBACK);
      assert.deepEqual(Object.keys(fields(page)).sort(), ['code', 'iss', 'state']);
      assert.doesNotMatch(page.html, /<noscript|\?lang=|alert\(1\)<\/script>/, 'no way but onwards: the page comes once');
    });

  it('takes an error on in the same way', async () => {
    const page = await answer('en', { prompt: 'none', max_age: '0' });
    assert.match(page.html, /<h1>Back to the app<\/h1>/);
    assert.equal(fields(page)['error'], 'login_required');
  });

  it('never leads to an address that the client did not register', async () => {
    const page = await answer('en', { redirect_uri: 'https://evil.example/' });
    assert.equal(page.response.status, 400);
    assert.doesNotMatch(page.html, /<form|<script|"https:\/\/evil\.example/);
  });

  it('sends itself where scripts run, and has a button where they do not', async () => {
    for (const javaScriptEnabled of [true, false]) {
      const page = await (await browser.person({ javaScriptEnabled })).newPage();
      const heard = complaints(page);
      // Nobody is signed in, and none may be asked: the answer is there at once.
      await page.goto(server.issuer + request({ response_mode: 'form_post', prompt: 'none', state: String(javaScriptEnabled) }));
      if (!javaScriptEnabled) await page.click('main button');
      await page.waitForURL(CLIENT_CALLBACK);
      const { method, parameters } = browser.arrivals.at(-1) ?? {};
      assert.deepEqual([method, parameters?.get('state'), parameters?.get('error')], ['POST', String(javaScriptEnabled), 'login_required']);
      // That an error is a 400 is no breach of our policy.
      assert.deepEqual(
        heard.filter((line) => !/status of 400/.test(line)),
        [],
      );
      await page.context().close();
    }
  });
});
