import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { openPage, openSignIn } from '../support/sign-up.ts';

const PAGES = { termsUrl: 'https://a.example/terms', privacyUrl: 'https://a.example/privacy', supportUrl: 'mailto:help@a.example' };

describe('TERMS_URL, PRIVACY_URL and SUPPORT_URL', () => {
  let server: TestServer;
  let plain: TestServer;
  let client: TestClient;
  before(async () => {
    [server, plain] = await Promise.all([startTestServer(PAGES), startTestServer()]);
    client = await server.createClient();
  });
  after(() => Promise.all([server.close(), plain.close()]));

  const linked = (html: string) => Object.values(PAGES).every((href) => html.includes(`<a href="${href}" rel="noopener noreferrer"`));

  it('are linked from every page on which a user is asked for something', async () => {
    const credentials = await server.createPerson();
    const signIn = await openSignIn(server, client);
    const consent = await signIn.submit(credentials);
    assert.match(consent.html, /name="decision"/);
    const pages = {
      'sign-in': signIn,
      'sign-up': await openPage(await openSignIn(server, client), 'signup'),
      reset: await openPage(await openSignIn(server, client), 'reset'),
      consent,
      device: await new Person(server.issuer).open('/device'),
      error: await new Person(server.issuer).open('/oauth/authorize?client_id=nobody'),
    };
    for (const [name, { html }] of Object.entries(pages)) assert.ok(linked(html), name);
    const { person } = consent;
    await consent.submit({ decision: 'approve' });
    assert.ok(linked((await person.open('/account')).html), 'account');
  });

  it('are not there where the operator has none', async () => {
    const other = await plain.createClient();
    const { html } = await new Person(plain.issuer).open(authorizePath(other, { ...pkce(), code_verifier: undefined }));
    assert.match(html, /name="password"/);
    assert.ok(!html.includes('class="operator"'));
  });
});
