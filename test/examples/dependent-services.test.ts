import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import type { BrowserContext, Page } from 'playwright-core';
import { assertFits, assertPassesAxe, failuresOf } from '../support/access.ts';
import { complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { type Example, sayYes, startExample } from '../support/example.ts';
import { tokenFor } from '../support/example-token.ts';

/**
 * The whole of issue 5 with real parts: `npm run example`, and a person in Chromium. Upstream is a second instance of this server, and a
 * plain OAuth 2.0 server without OpenID Connect.
 */
describe('npm run example', { timeout: 300_000 }, () => {
  let example: Example;
  let browser: TestBrowser;
  let bora: BrowserContext;
  let page: Page;
  let heard: string[];
  let failures: string[];
  before(async () => {
    browser = await startBrowser();
    // So short that Munjigi refreshes it each time, and that one that is kept can be seen to die.
    example = await startExample({ NOTES_ACCESS_SECONDS: '8' });
    bora = await browser.person({ locale: 'ko' });
    page = await bora.newPage();
    heard = complaints(page);
    failures = failuresOf(page);
  });
  after(async () => {
    await browser?.close();
    await example?.close();
  });

  const home = async (at = page) => {
    await at.goto(example.app);
    assertTellsNoSecret(await at.content(), example);
  };
  const states = async (at = page) =>
    Object.fromEntries(
      await at.locator('[data-state]').evaluateAll((cards) => cards.map((card) => [card.id, card.getAttribute('data-state')])),
    );

  /** At Munjigi, as a person does it. */
  const unlink = async (at: Page, provider: string, label: string) => {
    await at.goto(`${example.munjigi}/account/links`);
    const link = at.locator('section', { has: at.getByRole('heading', { name: provider }) });
    await link.getByRole('button', { name: label }).click();
    await link.waitFor({ state: 'detached' });
  };

  it('connects somebody who has a password here, in English; unlinked, their token is dead upstream, and the other service is still served', async () => {
    const context = await browser.person({ locale: 'en-US' });
    const second = await context.newPage();
    await home(second);
    await second.getByRole('button', { name: 'Sign in with Munjigi' }).click();
    await second.fill('[name=email]', example.person.atMunjigi.email);
    await second.fill('[name=password]', example.person.atMunjigi.password);
    await second.locator('form:has([name=password]) button[type=submit]').first().click();
    const asked = await sayYes(second, example, { atNotes: 'Minjun' });
    // An account of one's own at Haru opens this one from now on: that takes a code by mail.
    assert.deepEqual(asked.map(site), ['munjigi', 'munjigi', 'munjigi', 'munjigi', 'haru', 'haru', 'munjigi', 'notes'], asked.join('\n'));
    assert.deepEqual(await states(second), { haru: 'answers', notes: 'answers' });
    await assertPassesAxe(second);

    const held = await tokenFor(example, second, 'haru');
    assert.equal(await callHaru(example, held), 200);
    await unlink(second, 'Haru', 'Unlink');
    await eventually('the token is dead at Haru', async () => (await callHaru(example, held)) === 401);
    await home(second);
    assert.deepEqual(await states(second), { haru: 'person-needed', notes: 'answers' });
    assert.match(await second.locator('#haru').innerText(), /Haru wants to hear from you again/);
    await assertPassesAxe(second);
    await context.close();
  });

  it('signs a person in by their account upstream, has them allow the app and connect, and both services are called and shown', async () => {
    await home();
    await page.click('main button');
    await page.getByRole('link', { name: 'Haru 계정으로 계속' }).click();
    const asked = await sayYes(page, example);
    // Signing in and consent upstream; sign-up, consent and connecting here. Haru was asked about its data before, and remembers.
    assert.deepEqual(asked.map(site), ['haru', 'haru', 'munjigi', 'munjigi', 'munjigi', 'munjigi', 'notes'], asked.join('\n'));
    await home();
    assert.deepEqual(await states(), { haru: 'answers', notes: 'answers' });
    const shown = await page.locator('main').innerText();
    for (const words of ['한보라', 'bora@haru.example', '하루에서는 bora 님이에요', 'open to the scope api', '화분에 물 주기'])
      assert.ok(shown.includes(words), shown);
    await assertPassesAxe(page);
    await page.setViewportSize({ width: 320, height: 640 });
    await assertFits(page);
    assert.deepEqual([heard, failures], [[], []]);
  });

  it('goes on when an upstream token has expired: Munjigi has a new one', async () => {
    const held = await tokenFor(example, page, 'notes');
    assert.equal(await callNotes(example, held), 200);
    await eventually('the token has died at Notes', async () => (await callNotes(example, held)) === 401);
    for (let n = 0; n < 3; n++) {
      await home();
      assert.deepEqual(await states(), { haru: 'answers', notes: 'answers' });
    }
  });

  it('goes on when its own token has expired', async () => {
    const munjigi = new pg.Client({ connectionString: example.databaseUrl('munjigi') });
    await munjigi.connect();
    const live = `kind = 'AccessToken' and expires_at > now() and client_id = $1`;
    await munjigi.query(`update token set expires_at = now() where ${live}`, [example.client.client_id]);
    await home();
    assert.deepEqual(await states(), { haru: 'answers', notes: 'answers' });
    const { rows } = await munjigi.query(`select count(*)::int as live from token where ${live}`, [example.client.client_id]);
    assert.equal(rows[0].live, 1, 'one, for both services that wanted it at once');
    await munjigi.end();
  });

  it('says that the person is needed when they took access back upstream, and goes on once they were there', async () => {
    const notes = await bora.newPage();
    await notes.goto(example.notes);
    await notes.getByRole('button', { name: '모두 연결 해제' }).click();
    await notes.getByText('연결된 앱이 없어요').waitFor();
    await assertPassesAxe(notes);
    await home();
    assert.deepEqual(await states(), { haru: 'answers', notes: 'person-needed' });
    await page.getByRole('link', { name: '메모장 다시 연결' }).click();
    const asked = await sayYes(page, example);
    assert.deepEqual(asked.map(site), ['munjigi', 'notes']);
    assert.equal(page.url(), `${example.app}/`, 'led back');
    assert.deepEqual(await states(), { haru: 'answers', notes: 'answers' });
    await notes.close();
  });

  it('does so for a token that would have lived on, which the app finds out itself', async () => {
    await page.goto(`${example.haru}/account/apps`);
    await page.getByRole('button', { name: '연결 해제' }).click();
    await page.getByRole('button', { name: '연결 해제' }).waitFor({ state: 'detached' });
    await home();
    assert.deepEqual(await states(), { haru: 'person-needed', notes: 'answers' });
    await page.getByRole('link', { name: '하루 다시 연결' }).click();
    assert.deepEqual((await sayYes(page, example)).map(site), ['munjigi', 'haru']);
    assert.deepEqual(await states(), { haru: 'answers', notes: 'answers' });
  });

  it('says that a service does not answer, and the other is still served', async () => {
    const notes = await bora.newPage();
    await notes.goto(example.notes);
    await notes.getByRole('button', { name: '고장 난 척하기' }).click();
    await notes.getByRole('button', { name: '다시 동작하기' }).waitFor();
    await home();
    assert.deepEqual(await states(), { haru: 'answers', notes: 'unavailable' });
    assert.match(await page.locator('#notes').innerText(), /지금 메모장 서비스가 응답하지 않아요/);
    await notes.getByRole('button', { name: '다시 동작하기' }).click();
    await notes.getByRole('button', { name: '고장 난 척하기' }).waitFor();
    await home();
    assert.deepEqual(await states(), { haru: 'answers', notes: 'answers' });
    await notes.close();
  });

  it('unlinks one at Munjigi: its token is dead upstream, the app says so, and the other is still served', async () => {
    const [haru, notes] = [await tokenFor(example, page, 'haru'), await tokenFor(example, page, 'notes')];
    assert.equal(await callHaru(example, haru), 200);
    assert.deepEqual(await linksAtNotes(example), ['Bora']);
    // Not Haru's: nobody could sign in to the account any more.
    await unlink(page, 'Notes', '연결 해제');
    // Not by its age: the link itself is gone there.
    await eventually('Notes has heard of it', async () => (await linksAtNotes(example)).length === 0);
    assert.equal(await callNotes(example, notes), 401);
    await home();
    assert.deepEqual(await states(), { haru: 'answers', notes: 'person-needed' });
    assert.equal(await callHaru(example, haru), 200, 'the other is as it was');
  });

  it('signs nobody in by an answer that it did not ask for, and does nothing for a form that is not its own', async () => {
    const get = (path: string, cookie = '') => fetch(`${example.app}${path}`, { redirect: 'manual', headers: { cookie } });
    const post = (path: string, headers: Record<string, string> = {}, body = '') =>
      fetch(`${example.app}${path}`, { method: 'POST', redirect: 'manual', headers, body });
    const begin = async () => {
      const sent = await post('/sign-in', { 'sec-fetch-site': 'same-origin' });
      return {
        cookie: String(sent.headers.get('set-cookie')).split(';')[0],
        to: new URL(String(sent.headers.get('location'))).searchParams,
      };
    };
    for (const path of ['/sign-in', '/allow', '/sign-out'])
      assert.equal((await post(path, { 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await get('/signed-in?code=x&state=y')).status, 400);
    const { cookie, to } = await begin();
    const forged = await get(`/signed-in?${new URLSearchParams({ code: 'x', state: 'y', iss: example.munjigi })}`, cookie);
    assert.deepEqual([forged.status, forged.headers.get('set-cookie')], [400, null]);
    assert.equal(
      (await get(`/signed-in?${new URLSearchParams({ error: 'access_denied', state: String(to.get('state')) })}`, cookie)).status,
      400,
      'once',
    );
    const other = await begin();
    const denied = await get(
      `/signed-in?${new URLSearchParams({ error: 'access_denied', state: String(other.to.get('state')) })}`,
      other.cookie,
    );
    assert.deepEqual([denied.status, denied.headers.get('location')], [303, '/']);
    assert.equal((await post('/sign-in', {}, 'x'.repeat(20_000))).status, 413);
    assert.equal((await get('/%00')).status, 404);
    await home();
    assert.equal((await states())['haru'], 'answers', 'she is signed in as before');
  });

  it('signs out here and at Munjigi, and in again by the account upstream', async () => {
    await page.getByRole('button', { name: '로그아웃' }).click();
    await page.waitForURL(`${example.munjigi}/**`);
    await page.locator('button[name=logout]').click();
    await page.waitForURL(`${example.app}/`);
    assert.deepEqual(await states(), {});
    await page.click('main button');
    await page.getByRole('link', { name: 'Haru 계정으로 계속' }).click();
    await sayYes(page, example);
    assert.equal((await states())['haru'], 'answers');
  });

  it('is over when the person disconnects the app', async () => {
    await page.goto(`${example.munjigi}/account/apps`);
    await page.getByRole('button', { name: '연결 해제' }).first().click();
    await home();
    assert.match(await page.locator('main').innerText(), /문지기에서 연결이 끝났어요/);
    assert.deepEqual(await states(), {});
  });

  it('ends on Ctrl-C with all that it started, and goes on another time where it was', async () => {
    const first = await example.interrupt();
    assert.match(first, /allow-services/);
    for (const log of example.logs()) assertTellsNoSecret(log, example);
    const second = await example.restart();
    assert.doesNotMatch(second, /allow-services|creating the database/, 'it begins anew');
    await home();
    await page.click('main button');
    await sayYes(page, example);
    assert.deepEqual(await states(), { haru: 'answers', notes: 'answers' });
  });

  it('serves the one when the other is gone for good', async () => {
    // Munjigi has no reason to doubt the token that it keeps: that nobody is there, the app finds itself.
    await example.kill('haru');
    await home();
    assert.deepEqual(await states(), { haru: 'unavailable', notes: 'answers' });
    await example.kill('munjigi');
    await home();
    assert.deepEqual(await states(), { haru: 'unavailable', notes: 'unavailable' });
    assert.equal(await page.locator('h1').innerText(), '한보라', 'she is still signed in');
  });

  it('says in a sentence that a port is taken, and starts nothing', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const port = String((squatter.address() as AddressInfo).port);
    const env = { ...process.env, PORT: '0', HARU_PORT: '0', APP_PORT: '0', NOTES_PORT: port, DATA_DIR: '/nowhere' };
    const start = spawnSync('node', [START], { encoding: 'utf8', env, timeout: 30_000 });
    squatter.close();
    assert.equal(start.status, 1);
    assert.match(start.stderr, new RegExp(`Port ${port}, for notes, is none that is free`));
    assert.doesNotMatch(start.stderr, /^\s+at .*:\d+/m, 'a stack trace');
  });
});

const START = join(import.meta.dirname, '../../examples/dependent-services/start.mjs');

const call = async (url: string, token: string) => (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status;
const callHaru = ({ haru }: Example, token: string) => call(`${haru}/api/me`, token);
const callNotes = ({ notes }: Example, token: string) => call(`${notes}/notes`, token);

const site = (asked: string) => asked.split(':')[0];

/** Whose notes are open to Munjigi, as Notes itself says. */
async function linksAtNotes({ notes }: Example): Promise<string[]> {
  const front = await (await fetch(notes, { headers: { 'accept-language': 'en' } })).text();
  return [...front.matchAll(/<li>Munjigi, \S+ (\w+):/g)].map(([, name]) => String(name));
}

/** Tokens, codes and secrets are all longer than any word; so is the client's id, which is none. */
function assertTellsNoSecret(html: string, { client }: Example): void {
  assert.doesNotMatch(html.replaceAll(client.client_id, ''), /[\w-]{40,}/);
}
