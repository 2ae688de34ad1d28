import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CLIENT_CALLBACK, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { newcomer, newestProof } from '../support/sign-up.ts';
import { fillIn } from '../support/tour.ts';

/** What a browser alone decides: whether CSP lets the redirects through, what has the focus, what works without JavaScript. */
describe('Signing up and resetting, in a browser', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let client: TestClient;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
    client = await server.createClient({ client_name: 'Moonlight', redirect_uris: [CLIENT_CALLBACK] });
  });
  after(() => Promise.all([server.close(), browser.close()]));

  const begin = (parameters: Record<string, string> = {}) =>
    server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined, scope: 'openid email', ...parameters });

  const words = {
    ko: { signUp: '계정 만들기', forgot: '비밀번호를 잊으셨나요?' },
    en: { signUp: 'Create an account', forgot: 'Forgot your password?' },
  };

  for (const [locale, javaScriptEnabled] of [
    ['ko', true],
    ['en', false],
  ] as const)
    it(`leads to the client by code, and after a reset by link, in ${locale}, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async () => {
      const context = await browser.person({ locale, javaScriptEnabled });
      const page = await context.newPage();
      const heard = complaints(page);
      const wish = newcomer();

      await page.goto(begin());
      await page.click(`text=${words[locale].signUp}`);
      await fillIn(page, wish);
      await page.locator('input[name=code]').waitFor();
      await fillIn(page, { code: (await newestProof(server, wish.email)).code });
      await page.click('button[value=approve]');
      await page.waitForURL(`${CLIENT_CALLBACK}?**`);

      await page.goto(begin({ prompt: 'login' }));
      await page.click(`text=${words[locale].forgot}`);
      await fillIn(page, { email: wish.email });
      await page.locator('input[name=code]').waitFor();
      await page.goto((await newestProof(server, wish.email)).link);
      assert.equal(await page.locator('html').getAttribute('lang'), locale);
      await fillIn(page, { password: 'a lantern for the new gate' });
      await page.click('button[value=approve]');
      await page.waitForURL(`${CLIENT_CALLBACK}?**`);
      assert(new URL(page.url()).searchParams.get('code'));
      assert.deepEqual(heard, [], 'the browser refused nothing');
      await context.close();
    });

  it('takes a password where the link is opened in a second browser, which is signed in to nothing; the first signs in with it', async () => {
    const [first, second] = [await (await browser.person()).newPage(), await (await browser.person({ locale: 'ko-KR' })).newPage()];
    const wish = newcomer();
    await first.goto(begin());
    await first.click('text=Create an account');
    await fillIn(first, wish);
    await first.locator('input[name=code]').waitFor();
    await second.goto((await newestProof(server, wish.email)).link);
    await fillIn(second, { password: 'a lamp of my own choice' });
    await second.locator('form').waitFor({ state: 'detached' });
    assert.equal(await second.locator('h1').innerText(), '계정이 준비됐어요');
    assert.deepEqual(await second.context().cookies(), []);
    await first.reload();
    await fillIn(first, { email: wish.email, password: 'a lamp of my own choice' });
    await first.locator('.account bdi').last().waitFor();
    assert.equal(await first.locator('.account bdi').last().innerText(), wish.email);
    for (const page of [first, second]) await page.context().close();
  });

  it('shows a password to who asks, and sends it as one', async () => {
    const page = await (await browser.person()).newPage();
    const person = await server.createPerson();
    await page.goto(begin());
    const [field, button] = [page.locator('#password'), page.locator('.reveal')];
    await field.fill(person.password);
    assert.equal(await field.getAttribute('type'), 'password');
    await button.click();
    assert.equal(await field.getAttribute('type'), 'text');
    assert.equal(await button.getAttribute('aria-pressed'), 'true');
    await button.click();
    assert.equal(await field.getAttribute('type'), 'password');
    const silent = await (await browser.person({ javaScriptEnabled: false })).newPage();
    await silent.goto(begin());
    assert.equal(await silent.locator('.reveal').isVisible(), false, 'no button that does nothing');
    for (const one of [page, silent]) await one.context().close();
  });

  it('focuses what is wrong, and leads from there to the field', async () => {
    const page = await (await browser.person()).newPage();
    await page.goto(begin({ prompt: 'create' }));
    await fillIn(page, { ...newcomer(), password: 'password' });
    const notice = page.locator('[role=alert]');
    await page.locator('[role=alert]:focus').waitFor();
    assert.match(await page.title(), /^Error: /);
    await notice.locator('a').click();
    await page.locator('#password:focus').waitFor();
    const described = String(await page.locator('#password').getAttribute('aria-describedby')).split(' ');
    assert.deepEqual(described, ['password-hint', 'password-problem']);
    for (const id of described) assert.equal(await page.locator(`#${id}`).count(), 1);
    await page.context().close();
  });
});
