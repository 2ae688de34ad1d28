import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CLIENT_CALLBACK, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, redeem, type TestClient, type Tokens } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { signIn } from '../support/visiting.ts';

describe('Signing in', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let client: TestClient;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
    client = await server.createClient({ client_name: 'Moonlight', redirect_uris: [CLIENT_CALLBACK] });
  });
  after(() => Promise.all([server.close(), browser.close()]));

  const words = {
    ko: { signIn: '로그인', asks: 'Moonlight 앱이 로그인을 요청했어요.', consents: 'Moonlight 앱이 내 계정에 접근하려고 해요' },
    en: { signIn: 'Sign in', asks: 'Moonlight asks you to sign in.', consents: 'Moonlight asks for access to your account' },
  };

  for (const language of ['ko', 'en'] as const)
    for (const javaScriptEnabled of [true, false])
      it(`leads from the request to a token, in ${language}, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async () => {
        const person = await server.createPerson();
        const context = await browser.person({ locale: language, javaScriptEnabled });
        const page = await context.newPage();
        const heard = complaints(page);
        const { code_verifier, ...challenge } = pkce();

        await page.goto(server.issuer + authorizePath(client, { ...challenge, state: 'the state', scope: 'openid profile api' }));
        assert.equal(await page.locator('html').getAttribute('lang'), language);
        assert.equal(await page.locator('h1').innerText(), words[language].signIn);
        assert.equal(plain(await page.locator('.lead').innerText()), words[language].asks);
        await signIn(page, person);

        assert.equal(plain((await page.locator('h1').innerText()).replace('\n', ' ')), words[language].consents);
        await page.click('button[value=approve]');
        await page.waitForURL(`${CLIENT_CALLBACK}?**`);

        const answer = new URL(page.url()).searchParams;
        assert.equal(answer.get('state'), 'the state');
        assert.equal(answer.get('iss'), server.issuer);
        const response = await redeem(server, client, {
          code: String(answer.get('code')),
          code_verifier,
          redirect_uri: client.redirect_uri,
        });
        assert.equal(response.status, 200);
        assert.equal(((await response.json()) as Tokens).scope, 'openid profile api');
        assert.deepEqual(heard, [], 'the browser refused nothing');
        await context.close();
      });

  it('answers a wrong password with one sentence, in view and focused, and keeps the address', async () => {
    const person = await server.createPerson();
    const context = await browser.person();
    const page = await context.newPage();
    await page.goto(server.issuer + authorizePath(client, { ...pkce() }));
    await signIn(page, { ...person, password: 'not this one' });

    const notice = page.locator('[role=alert]');
    assert.equal(await notice.count(), 1);
    assert.equal(await notice.innerText(), 'The email or the password is wrong. Check both and try again.');
    await page.locator('[role=alert]:focus').waitFor();
    assert.match(await page.title(), /^Error: /);
    assert.equal(await page.inputValue('input[name=email]'), person.email);
    assert.equal(await page.inputValue('input[name=password]'), '');
    assert.equal(await page.locator('input[name=password]').getAttribute('aria-describedby'), await notice.getAttribute('id'));
    assert.deepEqual(await server.sql('select id from session where account_id = $1', [person.id]), []);

    await signIn(page, person);
    assert.equal(await page.locator('button[name=decision]').count(), 2, 'the right one goes on');
    await context.close();
  });

  it('answers an unknown address as it answers a wrong password', async () => {
    const known = await server.createPerson();
    const answers = await Promise.all(
      [known.email, 'nobody@people.example'].map(async (email) => {
        const page = await new Person(server.issuer).open(authorizePath(client, { ...pkce() }));
        const { response, html } = await page.submit({ email, password: 'not this one' });
        // What differs from one request to the next is taken out: the address that was typed, and this interaction's own marks.
        const uid = page.url.pathname.split('/')[2] as string;
        const shape = html
          .replaceAll(email, 'EMAIL')
          .replaceAll(uid, 'UID')
          .replace(/name="csrf" value="[^"]+"/g, '');
        return { status: response.status, headers: [...response.headers.keys()].sort(), shape };
      }),
    );
    assert.equal(answers[0]?.status, 401);
    assert.match(String(answers[0]?.shape), /value="EMAIL"/);
    assert.deepEqual(answers[0], answers[1]);
  });

  for (const javaScriptEnabled of [true, false])
    it(`as somebody else leads back to the client too, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async () => {
      const [one, two] = [await server.createPerson(), await server.createPerson()];
      const page = await (await browser.person({ javaScriptEnabled })).newPage();
      const heard = complaints(page);
      await page.goto(server.issuer + authorizePath(client, { ...pkce() }));
      await signIn(page, one);
      await page.click('button[value=approve]');
      await page.waitForURL(`${CLIENT_CALLBACK}?**`);

      await page.goto(server.issuer + authorizePath(client, { ...pkce(), prompt: 'login' }));
      await signIn(page, two);
      assert.equal(await page.locator('.account bdi').last().innerText(), two.email);
      await page.click('button[value=approve]');
      await page.waitForURL(`${CLIENT_CALLBACK}?**`);
      assert.deepEqual(heard, []);
      const accounts = await server.sql('select account_id from session where account_id = any($1)', [[one.id, two.id]]);
      assert.deepEqual(accounts, [{ account_id: two.id }], 'the session of the one before is over');
      await page.context().close();
    });

  it('begins with the address that the client hints at (OIDC Core section 3.1.2.1, login_hint)', async () => {
    const page = await new Person(server.issuer).open(authorizePath(client, { ...pkce(), login_hint: '"><b>hint</b>@people.example' }));
    assert.match(page.html, /value="&quot;&gt;&lt;b&gt;hint&lt;\/b&gt;@people\.example"/);
  });
});

/** A sentence without the spaces that only say where a line may not break. */
const plain = (text: string) => text.replaceAll('\u00a0', ' ');
