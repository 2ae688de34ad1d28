import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CLIENT_CALLBACK, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, redeem, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { countRows, passAMinute, unchanged } from '../support/storage.ts';
import { signIn } from '../support/visiting.ts';

describe('Another account', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let client: TestClient;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
    client = await server.createClient({ client_name: 'Moonlight', redirect_uris: [CLIENT_CALLBACK] });
  });
  after(() => Promise.all([server.close(), browser.close()]));

  const { code_verifier, ...challenge } = pkce();
  const path = (parameters: Record<string, string> = {}) => authorizePath(client, { ...challenge, ...parameters });

  async function subjectOf(address: string): Promise<unknown> {
    const code = String(new URL(address).searchParams.get('code'));
    const answer = await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri });
    const { access_token } = (await answer.json()) as { access_token: string };
    const info = await fetch(`${server.issuer}/oauth/userinfo`, { headers: { authorization: `Bearer ${access_token}` } });
    return ((await info.json()) as { sub: string }).sub;
  }

  for (const javaScriptEnabled of [true, false])
    it(`"Not you?" leads to another sign-in and back to the same request, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async () => {
      const [first, second] = await Promise.all([server.createPerson(), server.createPerson()]);
      const page = await (await browser.person({ javaScriptEnabled })).newPage();
      const heard = complaints(page);
      await page.goto(server.issuer + path({ scope: 'openid email', state: 'mine' }));
      await signIn(page, first);
      await page.click('.switch button');
      assert.equal(await page.inputValue('input[name=email]'), '');
      await signIn(page, second);
      assert.equal(await page.locator('.account bdi').last().innerText(), second.email);
      await page.click('button[value=approve]');
      await page.waitForURL(`${CLIENT_CALLBACK}?**`);
      assert.equal(new URL(page.url()).searchParams.get('state'), 'mine');
      assert.equal(await subjectOf(page.url()), second.id);
      assert.deepEqual(heard, []);
      assert.deepEqual(await server.sql('select account_id from session where account_id = any($1)', [[first.id, second.id]]), [
        { account_id: second.id },
      ]);
      assert.equal(await countRows(server, 'grant_record where account_id = $1', [first.id]), 0);
      await page.context().close();
    });

  it('whoever changes their mind is still signed in, and can come back to the page', async () => {
    const person = await server.createPerson();
    const page = await (await browser.person()).newPage();
    await page.goto(server.issuer + path());
    await signIn(page, person);
    await page.click('.switch button');
    await page.locator('input[name=password]').waitFor();
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 1);
    await signIn(page, person);
    await page.click('button[value=approve]');
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    assert.equal(await subjectOf(page.url()), person.id);
    await page.context().close();
  });

  it('the page of prompt=select_account names the account, and each answer leads on, without JavaScript', async () => {
    const person = await server.createPerson();
    const page = await (await browser.person({ javaScriptEnabled: false, locale: 'ko' })).newPage();
    await page.goto(server.issuer + path());
    await signIn(page, person);
    await page.click('button[value=approve]');
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);

    await page.goto(server.issuer + path({ prompt: 'select_account' }));
    assert.equal(await page.locator('h1').innerText(), '어느 계정으로 계속할까요?');
    assert.deepEqual(await page.locator('main bdi').allInnerTexts(), ['Moonlight', '홍길동', person.email]);
    await page.click('button[value=same]');
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    assert.equal(await subjectOf(page.url()), person.id);
    await page.context().close();
  });

  describe('its forms', () => {
    const open = async (parameters: Record<string, string> = {}) => {
      const person = await server.createPerson();
      const consent = await (await new Person(server.issuer).open(path())).submit(person);
      if (!parameters['prompt']) return { person, page: consent };
      await consent.submit({ decision: 'approve' });
      return { person, page: await consent.person.open(path(parameters)) };
    };
    const send = (page: Page, form: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
      page.person.open(`${page.url.pathname}/${form}`, { method: 'POST', body: new URLSearchParams(fields), headers });
    const forms: Record<string, { parameters: Record<string, string>; fields: Record<string, string> }> = {
      'another-account': { parameters: {}, fields: {} },
      select_account: { parameters: { prompt: 'select_account' }, fields: { account: 'another' } },
    };

    for (const [form, { parameters, fields }] of Object.entries(forms)) {
      it(`${form}: refused without its token, with another one's, from another site, too large or in another browser`, async () => {
        const [{ page }, other] = [await open(parameters), await open(parameters)];
        const csrf = String(page.form().hidden['csrf']);
        await unchanged(server, async () => {
          const refused = async (attempt: Promise<Page>, status: number) => assert.equal((await attempt).response.status, status);
          await refused(send(page, form, fields), 403);
          await refused(send(page, form, { ...fields, csrf: String(other.page.form().hidden['csrf']) }), 403);
          await refused(send(page, form, { ...fields, csrf }, { origin: 'https://evil.example' }), 403);
          await refused(send(page, form, { ...fields, csrf }, { 'sec-fetch-site': 'cross-site' }), 403);
          await refused(send(page, form, { ...fields, csrf, more: 'x'.repeat(70_000) }), 413);
          await refused(send(page, form, { ...fields, csrf, more: '\u0000' }), 400);
          const stranger = new Person(server.issuer);
          await refused(
            stranger.open(`${page.url.pathname}/${form}`, { method: 'POST', body: new URLSearchParams({ ...fields, csrf }) }),
            400,
          );
        });
        assert.match((await send(page, form, { ...fields, csrf })).html, /name="password"/);
      });

      it(`${form}: sent again, it leads where it led; after a minute it meets a page that says so`, async () => {
        const { page } = await open(parameters);
        const csrf = String(page.form().hidden['csrf']);
        await send(page, form, { ...fields, csrf });
        await unchanged(server, async () => assert.match((await send(page, form, { ...fields, csrf })).html, /name="password"/));
        await passAMinute(server);
        await unchanged(server, async () => {
          const again = await send(page, form, { ...fields, csrf });
          assert.equal(again.response.status, 400);
          assert.match(again.html, /This page is no longer valid/);
        });
      });
    }

    it('an answer that is none is asked for again', async () => {
      const { page } = await open({ prompt: 'select_account' });
      for (const account of ['', 'sameanother', '\u202eemas'])
        await unchanged(server, async () => assert.match((await page.submit({ account })).html, /name="account"/));
    });

    it('where nobody is signed in there is nobody to change: the sign-in page stays', async () => {
      const page = await new Person(server.issuer).open(path());
      const csrf = String(page.form().hidden['csrf']);
      await unchanged(server, async () => assert.match((await send(page, 'another-account', { csrf })).html, /name="password"/));
    });
  });
});
