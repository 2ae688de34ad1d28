import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { LIMITS } from '../../src/http/rate-limit.ts';
import { startBrowser, type TestBrowser } from '../support/browser.ts';
import { beginDevice, createDeviceClient, pollError, typeCode } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { follow } from '../support/visiting.ts';

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0';
const UNKNOWN = /This code does not exist/;

describe('The pages of a device (RFC 8628 section 3.3)', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await createDeviceClient(server);
  });
  after(() => server.close());

  const begin = () => beginDevice(server, client, { scope: 'openid' }, { 'user-agent': FIREFOX });
  const asking = async (language = 'en') => {
    const person = new Person(server.issuer);
    person.headers = { 'accept-language': language };
    return person.open('/device');
  };
  const isConfirm = (page: Page) => /name="decision"/.test(page.html);
  /** Everything but what is counted, and whose page is open. */
  const codes = () => server.sql(`select t::text from protocol_record t where kind = 'DeviceCode' order by 1`);
  async function nothingAnswered<T>(act: () => Promise<T>): Promise<T> {
    const before = await codes();
    const result = await act();
    assert.deepEqual(await codes(), before, 'no code was answered');
    return result;
  }

  it('take a code as people type it: case, hyphens, spaces and the width of letters do not matter', async () => {
    const { user_code } = await begin();
    const letters = user_code.replace('-', '');
    const wide = [...letters].map((letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)).join('');
    const spellings = [
      user_code,
      letters.toLowerCase(),
      `  ${[...letters].join(' ')} `,
      `${letters.slice(0, 4)}–${letters.slice(4)}`,
      `${wide.slice(0, 4)}　－${wide.slice(4).toLowerCase()}`,
      `\u200e${letters}\u200f`,
      `${letters.slice(0, 4)}\t.${letters.slice(4)}`,
    ];
    for (const spelling of spellings) {
      const page = await (await asking()).submit({ user_code: spelling });
      assert(isConfirm(page), spelling);
      assert(page.html.includes(`<code lang="en">${user_code}</code>`), spelling);
    }
  });

  it('say which app asks, when, from where, and whether anybody vouches for it; in both languages', async () => {
    const { user_code } = await begin();
    for (const [language, said] of Object.entries({
      en: ['Did you start this on your own device?', 'just now', 'asks for access on a device'],
      ko: ['내 기기에서 직접 시작했나요?', '방금 전', '앱이 기기에서 접근하려고 해요'],
    })) {
      const { html } = await (await asking(language)).submit({ user_code });
      for (const sentence of [...said, '<bdi>Living room TV</bdi>', '<bdi>Firefox, Windows</bdi>', '<bdi>127.0.0.0/24</bdi>'])
        assert(html.includes(sentence), `${language}: ${sentence}`);
      assert.doesNotMatch(html, /not verified|확인되지 않은/);
    }
    await server.sql(
      `update protocol_record set payload = payload || jsonb_build_object('iat', (payload->>'iat')::int - 190) where kind = 'DeviceCode'`,
    );
    assert.match((await typeCode(server, user_code)).html, /3 minutes ago/);
  });

  it('show the name of an app as text', async () => {
    const own = await createDeviceClient(server, { client_name: '<img src=x onerror=alert(1)>"' });
    const { user_code } = await beginDevice(server, own);
    const { html } = await typeCode(server, user_code);
    assert(html.includes('&lt;img src=x onerror=alert(1)&gt;'));
    assert(!html.includes('<img src=x'));
  });

  it('are filled in by a link that has the code, which nothing follows from until the person goes on, twice', async () => {
    const { device_code, user_code, verification_uri_complete } = await begin();
    const page = await nothingAnswered(() => new Person(server.issuer).open(verification_uri_complete));
    assert.equal(page.response.status, 200);
    assert(page.html.includes(`value="${user_code}"`));
    assert.doesNotMatch(page.html, /<script|name="decision"/);
    assert.match(
      page.html,
      new RegExp(`href="/device\\?user_code=${user_code.replace('-', '')}&amp;lang=ko"`),
      'another language keeps the code',
    );
    const confirm = await nothingAnswered(() => page.submit({ user_code }));
    assert(isConfirm(confirm));
    assert.equal(await pollError(server, client, device_code), 'authorization_pending');
  });

  it('repeat nothing of an address that is no code', async () => {
    for (const hostile of [
      '"><script>alert(1)</script>',
      'Your account is closed, call 1-800',
      '\u202egnp.exe',
      'x'.repeat(8_000),
      '%00',
      'BCDF-GHJ1',
    ]) {
      const { html, response } = await new Person(server.issuer).open(`/device?user_code=${encodeURIComponent(hostile)}`);
      assert.equal(response.status, 200);
      assert.doesNotMatch(html, /<script|onerror|closed|\u202e/i);
      assert.match(html, /name="user_code"[^>]* value=""/, hostile.slice(0, 40));
    }
    const many = await new Person(server.issuer).open('/device?user_code=a&user_code=b&xsrf=c');
    assert.equal(many.response.status, 200);
  });

  it('say what is wrong with a code, and let it be typed again', async () => {
    let page = await asking();
    const wrong: Record<string, RegExp> = {
      '': /Enter the code that your device shows\.<\/p>\s*<form/,
      가나다라: /Enter the code that your device shows\.<\/p>\s*<form/,
      BCDF: UNKNOWN,
      'BCDF-GHJK': UNKNOWN,
      "' or 1=1 --": UNKNOWN,
      ['Z'.repeat(5_000)]: UNKNOWN,
    };
    for (const [user_code, said] of Object.entries(wrong)) {
      const answer = await nothingAnswered(() => page.submit({ user_code }));
      assert.equal(answer.response.status, 400, user_code);
      assert.match(answer.html, said, user_code);
      assert.match(answer.html, /<title>Error: /);
      page = answer;
    }
    await server.sql('delete from rate_limit');
  });

  it('refuse a form of another site, or without its token, and leave the code as it was', async () => {
    const { user_code } = await begin();
    const confirm = await typeCode(server, user_code);
    const refused = async (fields: Record<string, string>, headers: Record<string, string> = {}) => {
      const page = await nothingAnswered(() => confirm.submit({ decision: 'approve', ...fields }, headers));
      assert.equal(page.url.pathname, '/device');
      return page;
    };
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }] as Record<string, string>[])
      assert.equal((await refused({}, headers)).response.status, 403);
    for (const xsrf of ['', 'guessed']) assert.match((await refused({ xsrf })).html, /This page was out of date/);
    const stranger = new Person(server.issuer);
    const { action, hidden } = confirm.form();
    const elsewhere = await nothingAnswered(() =>
      stranger.open(action, { method: 'POST', body: new URLSearchParams({ ...hidden, decision: 'approve' }) }),
    );
    assert.equal(elsewhere.response.status, 403);
    assert.match(elsewhere.html, /This form was not accepted[\s\S]*href="\/device">Back</);
  });

  it('know no end of an interaction that did not begin in this browser', async () => {
    const { user_code } = await begin();
    const signIn = await (await typeCode(server, user_code)).submit({ decision: 'approve' });
    const end = signIn.url.pathname.replace('/interaction/', '/device/');
    const visitor = new Person(server.issuer);
    await visitor.open('/device');
    for (const person of [new Person(server.issuer), visitor])
      for (const path of [end, '/device/nothing', `/device/${encodeURIComponent('"><script>')}`]) {
        const page = await nothingAnswered(() => person.open(path));
        assert.equal(page.response.status, 400);
        assert.match(page.html, /<h1>This code was already used<\/h1>/);
      }
    assert.match((await signIn.submit(await server.createPerson())).html, /name="decision"/, 'it goes on where it began');
  });

  it('refuse what is no form, or too much of one, with a page', async () => {
    const { user_code } = await begin();
    const confirm = await typeCode(server, user_code);
    const right = new URLSearchParams({ ...confirm.form().hidden, decision: 'approve' });
    const send = (body: string, type = 'application/x-www-form-urlencoded') =>
      nothingAnswered(() => confirm.person.open('/device', { method: 'POST', body, headers: { 'content-type': type } }));
    assert.equal((await send(`${right}&more=${'x'.repeat(100_000)}`)).response.status, 413);
    assert.equal((await send(`${right}${'&x=y'.repeat(200)}`)).response.status, 400);
    assert.equal((await send(`${right}&x=%00`)).response.status, 400);
    assert.equal((await send('{}', 'application/json')).response.status, 415);
    assert.equal((await confirm.person.open('/device', { method: 'PUT' })).response.status, 405);
  });

  it('in two tabs: the older one says that it is, and goes on from there', async () => {
    const { user_code } = await begin();
    const person = new Person(server.issuer);
    const [first] = [await person.open('/device'), await person.open('/device')];
    const stale = await nothingAnswered(() => first.submit({ user_code }));
    assert.match(stale.html, /This page was out of date/);
    assert(stale.html.includes(`value="${user_code}"`));
    assert(isConfirm(await stale.submit({ user_code })));
  });

  it('a person may go back before the end and begin again', async () => {
    const { user_code } = await begin();
    const person = new Person(server.issuer);
    const signIn = await (await typeCode(server, user_code, person)).submit({ decision: 'approve' });
    assert.match(signIn.html, /name="password"/);
    assert(isConfirm(await typeCode(server, user_code, person)));
  });

  it('consent says that access goes to the device, and its form may end nowhere else', async () => {
    const { user_code } = await begin();
    const consent = await (await (await typeCode(server, user_code)).submit({ decision: 'approve' })).submit(await server.createPerson());
    assert.match(consent.html, /Access goes to<\/dt>\s*<dd>\s*The device that showed you the code/);
    assert.doesNotMatch(consent.html, /You return to/);
    assert.match(String(consent.response.headers.get('content-security-policy')), /form-action 'self';/);
  });

  it('let nobody guess: wrong codes are counted by network, right ones are not, and nobody pays for the guesses of others', async () => {
    await server.sql('delete from rate_limit');
    const { user_code } = await begin();
    const page = await asking();
    const tries = await Promise.all(
      Array.from({ length: 2 * LIMITS.userCodeFromNetwork.points }, () => page.submit({ user_code: 'BCDF-GHJK' })),
    );
    // A machine that is very busy may answer some with 503, before or after they were counted.
    const looked = tries.filter(({ response }) => response.status === 400).length;
    assert(looked > 0 && looked <= LIMITS.userCodeFromNetwork.points, `${looked} were looked at`);
    const refused = await nothingAnswered(() => page.submit({ user_code, decision: 'approve' }));
    assert.equal(refused.response.status, 429);
    assert(Number(refused.response.headers.get('retry-after')) > 800);
    assert.match(refused.html, /You can try again in 15 minutes\./);
    const [overall] = await server.sql('select min(points) as points from rate_limit');
    assert.equal(overall?.['points'], LIMITS.userCodeFromNetwork.points, 'what was not looked at is no guess');

    await server.sql('delete from rate_limit');
    const fresh = await asking();
    for (let time = 0; time < 2 * LIMITS.userCodeFromNetwork.points; time++) assert(isConfirm(await fresh.submit({ user_code })));
  });

  it('let nobody guess from everywhere either', async () => {
    await server.sql('update rate_limit set points = points + $1', [LIMITS.userCode.points]);
    const page = await (await asking()).submit({ user_code: 'BCDF-GHJK' });
    assert.equal(page.response.status, 429);
    await server.sql('delete from rate_limit');
  });

  describe('in a browser', () => {
    let browser: TestBrowser;
    before(async () => {
      browser = await startBrowser();
    });
    after(() => browser.close());

    it('no weighs as much as yes, stands first, and neither is chosen beforehand', async () => {
      const { verification_uri_complete } = await begin();
      const page = await (await browser.person()).newPage();
      await page.goto(verification_uri_complete);
      await follow(page, 'main button[type=submit]');
      const buttons = await page.locator('button[name=decision]').evaluateAll((all) =>
        all.map((button) => {
          const { width, height } = button.getBoundingClientRect();
          const { fontSize, fontWeight, borderWidth } = getComputedStyle(button);
          return { value: (button as HTMLButtonElement).value, look: JSON.stringify([width, height, fontSize, fontWeight, borderWidth]) };
        }),
      );
      assert.deepEqual(
        buttons.map(({ value }) => value),
        ['deny', 'approve'],
      );
      assert.equal(buttons[0]?.look, buttons[1]?.look);
      assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'BODY');
      await page.context().close();
    });
  });
});
