import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';

describe('Error pages', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const speaking = (language: string) => {
    const person = new Person(server.issuer);
    person.headers = { 'accept-language': language };
    return person;
  };
  const request = (parameters: Record<string, string> = {}) =>
    authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters });

  const errors: Record<string, { status: number; ko: string; en: string; meet: (person: Person) => Promise<Page> }> = {
    'an unknown client': {
      status: 400,
      ko: '등록되지 않은 앱이에요',
      en: 'This app is not registered',
      meet: (person) => person.open(request({ client_id: 'nobody' })),
    },
    'an address the client did not register': {
      status: 400,
      ko: '등록되지 않은 리디렉션 URI예요',
      en: 'The return address is not registered',
      meet: (person) => person.open(request({ redirect_uri: 'https://client.example/callback/' })),
    },
    'an interaction that has expired': {
      status: 400,
      ko: '더 이상 유효하지 않은 페이지예요',
      en: 'This page is no longer valid',
      meet: async (person) => {
        const page = await person.open(request());
        await server.sql(`update protocol_record set expires_at = now() - interval '1 second' where kind = 'Interaction'`);
        return person.open(page.url.pathname);
      },
    },
    'an interaction that was opened in another browser': {
      status: 400,
      ko: '더 이상 유효하지 않은 페이지예요',
      en: 'This page is no longer valid',
      meet: async (person) => person.open((await new Person(server.issuer).open(request())).url.pathname),
    },
    'the last step of an interaction of another browser': {
      status: 400,
      ko: '더 이상 유효하지 않은 페이지예요',
      en: 'This page is no longer valid',
      meet: async (person) => {
        const { url } = await new Person(server.issuer).open(request());
        return person.open(url.pathname.replace('/interaction/', '/oauth/authorize/'));
      },
    },
    'an address that leads nowhere': {
      status: 404,
      ko: '페이지를 찾을 수 없어요',
      en: 'Page not found',
      meet: (person) => person.open('/nowhere'),
    },
  };

  for (const [what, { status, meet, ...titles }] of Object.entries(errors))
    it(`${what}: a page in the person's language, and the person stays with us`, async () => {
      for (const language of ['ko', 'en'] as const) {
        const page = await meet(speaking(language));
        assert.equal(page.response.status, status);
        assert.equal(page.url.origin, server.issuer);
        assert(page.html.includes(`<h1>${titles[language]}</h1>`), page.html);
        assert.equal(page.response.headers.get('content-language'), language);
        assert.match(page.html, new RegExp(`<html lang="${language}">`));
        assert.equal(page.response.headers.get('cache-control'), 'no-store');
        const requestId = String(page.response.headers.get('x-request-id'));
        assert(page.html.includes(`<code>${requestId}</code>`), 'the number to name when asking for help');
        assert(
          server.logLines().some((line) => line.includes(requestId)),
          'and to search the log by',
        );
      }
    });

  it('repeat nothing that a stranger wrote in the address', async () => {
    const attack = '"><script>alert(1)</script>';
    const addresses = [
      request({ client_id: attack }),
      request({ redirect_uri: `https://client.example/${attack}` }),
      request({ client_id: 'nobody', ui_locales: attack, state: attack }),
      `/${attack}`,
      `/interaction/${encodeURIComponent(attack)}`,
    ];
    for (const address of addresses) {
      const { html } = await speaking('en').open(address);
      assert.match(html, /<h1>/, address);
      assert(!html.includes('<script'), address);
    }
  });

  it('show the name of an app as text, wherever it stands', async () => {
    const name = '<img src=x onerror=alert(1)>&"\'';
    const hostile = await server.createClient({ client_name: name, post_logout_redirect_uris: ['https://client.example/bye'] });
    const person = speaking('en');
    const credentials = await server.createPerson();
    const signIn = await person.open(authorizePath(hostile, { ...pkce(), code_verifier: undefined }));
    const failed = await signIn.submit({ email: `"><img src=x>@people.example`, password: 'wrong' });
    const consent = await failed.submit(credentials);
    const signOut = await person.open(`/oauth/logout?client_id=${hostile.client_id}`);
    const stayed = await signOut.submit({});
    for (const page of [signIn, failed, consent, signOut, stayed]) {
      assert(page.html.includes('&lt;img src=x onerror=alert(1)&gt;'), page.url.pathname);
      assert(!page.html.includes('<img src=x'), page.url.pathname);
    }
  });

  it('are JSON for a program', async () => {
    const response = await fetch(`${server.issuer}${request({ client_id: 'nobody' })}`, { headers: { accept: 'application/json' } });
    assert.equal(response.status, 400);
    assert.equal(((await response.json()) as { error: string }).error, 'invalid_client');
  });
});
