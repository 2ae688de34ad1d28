import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DEFAULT_JWT_CHOICES } from '../../src/oauth/clients/signing-algorithms.ts';
import { describeScopes } from '../../src/oauth/scopes/scope-words.ts';
import { CLIENT_CALLBACK, startBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { register } from '../support/registration.ts';
import { signIn } from '../support/visiting.ts';

/** What the consent page says of an app, and of what it asks: only what this server knows, and in words that are the same everywhere. */
describe('The facts on the consent page', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const { code_verifier: _, ...challenge } = pkce();
  const text = (html: string) =>
    html
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim();

  /** A page in front of somebody who is signed in; opened again as often as it is asked for. */
  async function pageOf(client: TestClient, parameters: Record<string, string> = {}, language = 'en') {
    const browser = new Person(server.issuer);
    browser.headers = { 'accept-language': language };
    const path = authorizePath(client, { ...challenge, prompt: 'consent', ...parameters });
    await (await browser.open(path)).submit(await server.createPerson());
    return async () => (await browser.open(path)).html;
  }
  const known = (html: string) => text(String(/<ul class="known small">(.*?)<\/ul>/s.exec(html)?.[1]));
  const rows = (html: string) =>
    [...html.matchAll(/<(?:div|label) class="row">(.*?)<\/(?:div|label)>/gs)].map(([, row]) => text(String(row)));

  it('how long the app has been registered, in days and then by its date', async () => {
    const client = await server.createClient();
    const [english, korean] = [await pageOf(client), await pageOf(client, {}, 'ko')];
    const sayings: [string, RegExp, RegExp][] = [
      ['0 days', /Registered today/, /오늘 등록/],
      ['1 day', /Registered yesterday/, /어제 등록/],
      ['3 days', /Registered 3 days ago/, /3일 전 등록/],
      ['30 days', /Registered 30 days ago/, /30일 전 등록/],
      ['400 days', /Registered \w+ \d{1,2}, \d{4}/, /\d{4}년 \d{1,2}월 \d{1,2}일 등록/],
    ];
    for (const [ago, en, ko] of sayings) {
      await server.sql(`update client set created_at = now() - $2::interval where id = $1`, [client.client_id, ago]);
      await eventually(ago, async () => en.test(known(await english())));
      assert.match(known(await korean()), ko);
    }
  });

  it('how many people use it, roughly', async () => {
    const client = await server.createClient();
    const page = await pageOf(client);
    assert.match(known(await page()), /Used by fewer than 10 users/);
    for (const [grants, says] of [
      [9, /fewer than 10/],
      [60, /Used by 50 users or more/],
      [1_200, /Used by 1,000 users or more/],
    ] as const) {
      await server.sql(
        `insert into grant_record (id, client_id, account_id, expires_at, payload)
         select gen_random_uuid()::text, $1, (select id from user_account limit 1), now() + interval '1 day', '{}'
         from generate_series(1, $2 - (select count(*)::int from grant_record where client_id = $1))`,
        [client.client_id, grants],
      );
      assert.match(known(await page()), says);
    }
  });

  it('whose word its name is: its own, at the address it registered or on this device, or that of an operator', async () => {
    const own = await register(server, { client_name: 'Photo Helper' });
    assert.match(text(await (await pageOf(own))()), /This app registered itself\. The app at walk\.example chose this name, and nobody/);
    const app = await register(server, { redirect_uris: ['http://127.0.0.1/callback'] });
    assert.match(text(await (await pageOf(app))()), /An app on this device chose this name/);
    const vouched = await (await pageOf(await server.createClient()))();
    assert.match(known(vouched), /Publisher not verified/);
    assert.doesNotMatch(vouched, /registered itself/);
  });

  it('with a letter while there is no logo: nothing is loaded from the app, which would tell it who is looking', async () => {
    const client = await server.createClient({ client_name: '🦊 fox', logo_uri: 'https://tracker.example/logo.png' });
    const html = await (await pageOf(client))();
    assert.match(html, /<span class="initial app" aria-hidden="true">🦊<\/span>/);
    assert.doesNotMatch(html, /tracker\.example/);
    assert.doesNotMatch(html.split('<main')[1] ?? '', /<img/);
  });

  it('until when it holds, how to undo it, and whose terms', async () => {
    const client = await server.createClient({ policy_uri: 'https://client.example/privacy', tos_uri: 'https://client.example/terms' });
    const day = () => new Date(Date.now() + 90 * 24 * 3_600_000).toLocaleDateString('en', { dateStyle: 'long' });
    const before = day();
    const html = await (await pageOf(client))();
    assert.match(text(html), new RegExp(`Valid for Until (${before}|${day()}) Up to 90 days`));
    assert.match(html, /<a href="\/account\/apps" target="_blank">Any time, in your account<\/a>/);
    for (const name of ['privacy', 'terms'])
      assert.match(html, new RegExp(`href="https://client\\.example/${name}" rel="noopener noreferrer"`));
  });

  it('scopes of another API, with its name and the sentences of that API, in both languages', async () => {
    const client = await server.createClient();
    const asked = { scope: 'openid posts:write posts:read', resource: `${server.issuer}/api/posts` };
    assert.deepEqual(rows(await (await pageOf(client, asked))()), [
      'Posts Read posts',
      'Posts Write, change and delete posts in your name',
    ]);
    assert.deepEqual(rows(await (await pageOf(client, asked, 'ko'))()), ['Posts 글 읽기', 'Posts 내 이름으로 글 쓰고 고치고 지우기']);
  });

  it('fits on a small screen, however long a name, an address and a host are', async () => {
    const browser = await startBrowser();
    try {
      const host = `${'a'.repeat(60)}.${'b'.repeat(60)}.example`;
      const client = await server.createClient({ client_name: 'W'.repeat(100), redirect_uris: [`https://${host}/cb`, CLIENT_CALLBACK] });
      const person = await server.createPerson({ name: '홍'.repeat(60), email: `${'x'.repeat(60)}@people.example` });
      const page = await (await browser.person({ viewport: { width: 320, height: 640 } })).newPage();
      await page.goto(server.issuer + authorizePath(client, { ...challenge, scope: 'openid email' }));
      await signIn(page, person);
      await page.locator('button[name=decision]').first().waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    } finally {
      await browser.close();
    }
  });
});

describe('describeScopes()', () => {
  const scope = (name: string) => ({
    name,
    mayBeRequired: true,
    isDefault: true,
    sensitive: name === 'a',
    title: { ko: `${name} 읽기`, en: `Read ${name}` },
  });
  const server = (identifier: string, names: string[]) => ({
    identifier,
    name: `API ${identifier}`,
    tokenFormat: 'opaque' as const,
    ...DEFAULT_JWT_CHOICES,
    accessTokenTtlSeconds: 60,
    ownerId: null,
    resourceRequired: false,
    scopes: names.map(scope),
  });
  const servers = [server('https://other', ['a', 'x']), server('https://own', ['a', 'b'])];
  const describeIn = (scopes: Parameters<typeof describeScopes>[2]) =>
    describeScopes(servers, 'https://own', scopes, 'en').map(({ name, resource, api, title, sensitive }) => [
      name,
      resource,
      api,
      title,
      sensitive,
    ]);

  it('puts the own API first, each scope once and in its place, and does not mix those of the same name', () => {
    assert.deepEqual(describeIn([{ resource: 'https://other', name: 'a' }, { name: 'b' }, { name: 'a' }, { name: 'b' }]), [
      ['a', undefined, undefined, 'Read a', true],
      ['b', undefined, undefined, 'Read b', false],
      ['a', 'https://other', 'API https://other', 'Read a', true],
    ]);
  });

  it('keeps nothing quiet: a scope or an API that is not there any more is told by its name', () => {
    assert.deepEqual(describeIn([{ name: 'gone' }, { resource: 'https://gone', name: 'a' }]), [
      ['gone', undefined, undefined, 'gone', false],
      ['a', 'https://gone', 'https://gone', 'a', false],
    ]);
  });
});
