import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';

describe('The language of a page', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const signInPage = (person: Person, parameters: Record<string, string> = {}) =>
    person.open(authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters }));

  function speaking(acceptLanguage?: string): Person {
    const person = new Person(server.issuer);
    if (acceptLanguage) person.headers = { 'accept-language': acceptLanguage };
    return person;
  }

  /** All three places that say it agree. */
  function assertSpeaks(page: Page, language: 'ko' | 'en'): void {
    assert.equal(page.response.headers.get('content-language'), language);
    assert.equal(/<html lang="([^"]+)"/.exec(page.html)?.[1], language);
    assert.match(page.html, language === 'ko' ? /<h1>로그인<\/h1>/ : /<h1>Sign in<\/h1>/);
  }

  it('is what the browser prefers, and English when that is neither or nothing', async () => {
    assertSpeaks(await signInPage(speaking('ko-KR,ko;q=0.9,en;q=0.8')), 'ko');
    assertSpeaks(await signInPage(speaking('fr,en;q=0.5,ko;q=0.4')), 'en');
    assertSpeaks(await signInPage(speaking('fr')), 'en');
    // A browser that says nothing: fetch itself says `*`.
    assertSpeaks(await signInPage(speaking('')), 'en');
    const { response } = await signInPage(speaking('ko'));
    assert.match(String(response.headers.get('vary')), /Accept-Language, Cookie/);
  });

  it("is the client's wish before the browser's (OIDC Core section 3.1.2.1, ui_locales)", async () => {
    assertSpeaks(await signInPage(speaking('en'), { ui_locales: 'fr-CA ko-KR en' }), 'ko');
    assertSpeaks(await signInPage(speaking('ko'), { ui_locales: 'fr' }), 'ko');
  });

  it("is the person's own choice before all, from the link on, for the whole walk", async () => {
    const person = speaking('en');
    const credentials = await server.createPerson();
    const page = await signInPage(person, { ui_locales: 'en' });
    const link = /<a href="([^"]+)" lang="ko" hreflang="ko">한국어<\/a>/.exec(page.html)?.[1];
    const inKorean = await person.open(new URL(String(link), page.url).href);
    assertSpeaks(inKorean, 'ko');
    const cookie = inKorean.response.headers.getSetCookie().find((line) => line.startsWith('language='));
    assert.match(String(cookie), /^language=ko; path=\/; expires=.*; samesite=lax; httponly$/i);

    const failed = await inKorean.submit({ email: credentials.email, password: 'not this one' });
    assertSpeaks(failed, 'ko');
    const consent = await failed.submit(credentials);
    assert.equal(consent.response.headers.get('content-language'), 'ko');
    assert.match(consent.html, /앱에 알려 주는 정보/);
    assertSpeaks(await signInPage(person, { ui_locales: 'en', prompt: 'login' }), 'ko');
  });

  it('is switched on a page that answered a form, without losing the page', async () => {
    const person = speaking('en');
    const failed = await (await signInPage(person)).submit({ email: 'a@people.example', password: 'wrong' });
    const link = /<a href="([^"]+)" lang="ko"/.exec(failed.html)?.[1];
    assertSpeaks(await person.open(new URL(String(link), failed.url).href), 'ko');
  });

  it('is switched on a page that refused a form, and leads to the form', async () => {
    const person = speaking('en');
    const page = await signInPage(person);
    const refused = await page.submit({ csrf: 'guessed', email: 'a@people.example', password: 'wrong' });
    assert.equal(refused.response.status, 403);
    const link = /<a href="([^"]+)" lang="ko"/.exec(refused.html)?.[1];
    assertSpeaks(await person.open(new URL(String(link), refused.url).href), 'ko');
  });

  it('is switched on the page that a form of a finished interaction meets', async () => {
    const person = speaking('en');
    const page = await signInPage(person);
    await server.sql(`delete from protocol_record where kind = 'Interaction'`);
    const expired = await page.submit({ email: 'a@people.example', password: 'wrong' });
    assert.equal(expired.response.status, 400);
    const link = /<a href="([^"]+)" lang="ko"/.exec(expired.html)?.[1];
    const inKorean = await person.open(new URL(String(link), expired.url).href);
    assert.equal(inKorean.response.status, 400);
    assert.match(inKorean.html, /<h1>더 이상 유효하지 않은 페이지예요<\/h1>/);
  });

  it('is switched by links to the page itself, whatever its address was', async () => {
    for (const path of ['/%2F%2Fevil.example', '/?lang=//evil.example', '/?lang=https://evil.example']) {
      const { html, url } = await speaking().open(`${server.issuer}${path}`);
      const links = [...html.matchAll(/<a href="([^"]+)" lang/g)].map(([, href]) => String(href));
      assert.equal(links.length, 1, path);
      for (const href of links) assert.equal(new URL(href, url).origin, server.issuer, `${path} → ${href}`);
    }
  });

  it('is no way to anywhere: an unknown choice is no choice, and no cookie', async () => {
    for (const lang of ['//evil', 'https://evil.example', 'ko\r\nSet-Cookie: a=b', '__proto__', 'xx']) {
      const { response } = await speaking('ko').open(`/?lang=${encodeURIComponent(lang)}`);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('location'), null);
      assert.deepEqual(response.headers.getSetCookie(), [], lang);
    }
  });
});
