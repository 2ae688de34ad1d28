import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, obtainTokens, pkce } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { unchanged } from '../support/storage.ts';

const ATTEMPTS = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'><svg onload=alert(1)>",
  '</title><script>alert(1)</script>',
  '<%= it %>',
  '{{7*7}}',
  '&lt;b&gt;',
  'x" autofocus onfocus="alert(1)',
];

/** Asserts that a page shows an attempt as text: it creates no tag or attribute. */
function assertHarmless(html: string, attempt: string) {
  assert.doesNotMatch(
    html,
    /<script(?! (?:type="module" )?src="\/assets\/[\w.]+\?v=\w+"(?: defer)?><\/script>)|<img src=x|<svg|onerror=alert\(1\)>|"\s*(autofocus )?onfocus="/i,
    attempt,
  );
  for (const [, href] of html.matchAll(/(?:href|src)="([^"]*)"/g)) assert.match(String(href), /^(\/(?!\/)|[?#])/, 'links stay with us');
  if (/[<>"']/.test(attempt)) assert(!html.includes(attempt), `${attempt} stands as it was sent`);
}

describe("Strangers' input is shown as text (RFC 6749 section 4.1.2.1)", () => {
  let server: TestServer;
  const { code_verifier: _, ...challenge } = pkce();
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('in an unknown client_id', async () => {
    for (const attempt of ATTEMPTS) {
      const page = await unchanged(server, () =>
        new Person(server.issuer).open(authorizePath({ client_id: attempt, redirect_uri: 'x' }, challenge)),
      );
      assert.equal(page.response.status, 400);
      assertHarmless(page.html, attempt);
    }
  });

  it('in an unregistered redirect_uri', async () => {
    const client = await server.createClient();
    for (const attempt of [...ATTEMPTS, ...ATTEMPTS.map((text) => `https://evil.example/${text}`), 'javascript:alert(1)']) {
      const page = await unchanged(server, () =>
        new Person(server.issuer).open(authorizePath(client, { ...challenge, redirect_uri: attempt })),
      );
      assert.equal(page.response.status, 400);
      assertHarmless(page.html, attempt);
    }
  });

  it('in the name and the links of a client, on every page with them', async () => {
    for (const attempt of ATTEMPTS) {
      const person = await server.createPerson({ name: attempt });
      const client = await server.createClient({ client_name: attempt, post_logout_redirect_uris: ['https://client.example/bye'] });
      const signIn = await new Person(server.issuer).open(authorizePath(client, { ...challenge, login_hint: attempt }));
      assert.equal(signIn.response.status, 200);
      assertHarmless(signIn.html, attempt);
      const failed = await signIn.submit({ email: attempt, password: attempt });
      assert.equal(failed.response.status, 401);
      assertHarmless(failed.html, attempt);
      const consent = await failed.submit({ email: person.email, password: person.password });
      assert.match(consent.html, /name="decision"/);
      assertHarmless(consent.html, attempt);
      const { searchParams } = (await consent.submit({ decision: 'deny' })).url;
      assert.equal(searchParams.get('error'), 'access_denied');
      const signOut = await consent.person.open(`/oauth/logout?client_id=${client.client_id}`);
      assertHarmless(signOut.html, attempt);
    }
  });

  it('in the state of a form response (form_post)', async () => {
    const client = await server.createClient();
    const { person: browser } = await obtainTokens(server, client, await server.createPerson());
    for (const attempt of ATTEMPTS) {
      const page = await browser.open(authorizePath(client, { ...challenge, response_mode: 'form_post', state: attempt }));
      assert.match(page.html, /<form[^>]*action="https:\/\/client\.example\/callback"/);
      const form = page.html.slice(page.html.indexOf('<form'));
      assertHarmless(form.replace(/<script[^>]*>.*?<\/script>/s, ''), attempt);
    }
  });

  it('in a refused request, for any parameter', async () => {
    for (const name of ['lang', 'ui_locales', 'request_uri', 'response_mode', 'x'])
      for (const attempt of ATTEMPTS) {
        const query = new URLSearchParams({ client_id: 'nobody', [name]: attempt });
        const page = await unchanged(server, () => new Person(server.issuer).open(`/oauth/authorize?${query}`));
        assert.equal(page.response.status, 400);
        assertHarmless(page.html, attempt);
      }
  });

  it('in a path that looks like one of another host', async () => {
    for (const path of ['//evil.example/', '///evil.example/', '/\\evil.example/', '//evil.example/..;/']) {
      const response = await fetch(server.issuer + path, { headers: { accept: 'text/html' }, redirect: 'manual' });
      assert.equal(response.headers.get('location'), null);
      assertHarmless(await response.text(), path);
    }
  });

  it('in an unknown path, and in the language links that keep the query', async () => {
    for (const attempt of ATTEMPTS)
      for (const path of [
        `/${encodeURIComponent(attempt)}`,
        `/?x=${encodeURIComponent(attempt)}`,
        `/interaction/${encodeURIComponent(attempt)}`,
      ])
        assertHarmless((await new Person(server.issuer).open(path)).html, attempt);
  });
});
