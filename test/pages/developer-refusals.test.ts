import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TRY_CALLBACK_PATH } from '../../src/oauth/clients/first-party.ts';
import { verifyClient } from '../../src/oauth/clients/store.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { createResourceServerClient } from '../support/flow.ts';
import { comeToPortal, type Developer, fill, importManifest, madeOn, own } from '../support/owned-apis.ts';
import type { Page } from '../support/person.ts';
import { problemsOn } from '../support/portal.ts';

const MANIFEST = { munjigi_manifest: 1, client_name: 'Walking Club', redirect_uris: ['https://walk.example/callback'], scope: 'openid' };

/** What a client may not be is said in the reader's language, whichever page of the portal it is said on. */
describe('What the portal refuses', () => {
  let server: TestServer;
  let developer: Developer;
  let clientId: string;
  before(async () => {
    server = await startTestServer();
    const verified = await server.createClient({ client_name: 'Moonbell' });
    await server.database.change(verifyClient(verified.client_id, 'Bell & Sons'));
    developer = await comeToPortal(server);
    ({ client_id: clientId } = madeOn(await importManifest(developer, JSON.stringify(MANIFEST))));
  });
  after(() => server.close());

  const client = async () => (await server.sql('select * from client where id = $1', [clientId]))[0];
  const inLanguage = <T>(language: string, run: () => Promise<T>) => {
    developer.browser.headers = { 'accept-language': language };
    return run();
  };
  const settings = (fields: Record<string, string>) =>
    fill(developer, `/developer/clients/${clientId}`, {
      client_name: 'Walking Club',
      redirect_uris: 'https://walk.example/callback',
      scope: 'openid',
      ...fields,
    });
  const manifest = (more: object) =>
    fill(developer, `/developer/clients/${clientId}/manifest`, { text: JSON.stringify({ ...MANIFEST, ...more }), apply: 'yes' });

  const wrong: [what: string, fields: Record<string, string>, en: RegExp, ko: RegExp][] = [
    [
      'a name like a verified one',
      { client_name: 'M00nbell' },
      /similar to the name of a verified app/,
      /확인한 앱의 이름과 너무 비슷해요/,
    ],
    ['a name in one language like a verified one', { 'client_name#ko': 'Moon bell' }, /verified app/, /확인한 앱의 이름/],
    ['the server’s own name', { client_name: 'Munjigi Support' }, /similar to the name of this server/, /이 서버의 이름과 너무 비슷해요/],
    ['a page by http', { policy_uri: 'http://walk.example/privacy' }, /begins with https/, /https:\/\/로 시작하는/],
    ['a page with a password', { tos_uri: 'https://a:b@walk.example/' }, /user name or password/, /사용자 이름이나 비밀번호/],
    ['a page with a backslash', { client_uri: 'https://walk.example\\a' }, /backslash/, /역슬래시/],
    ['a page with Korean in it', { client_uri: 'https://walk.example/소개' }, /not ASCII/, /ASCII가 아닌/],
    ['a page too long', { client_uri: `https://walk.example/${'x'.repeat(2_000)}` }, /2000 characters/, /2000자까지/],
  ];
  for (const [what, fields, en, ko] of wrong)
    it(`says in both languages what is wrong with ${what}, on settings and of a manifest, and changes nothing`, async () => {
      const before = await client();
      for (const [language, said] of [
        ['en', en],
        ['ko', ko],
      ] as const) {
        const page = await inLanguage(language, () => settings(fields));
        assert.equal(page.response.status, 422);
        assert.match(problemsOn(page).join('\n'), said);
        const field = Object.keys(fields)[0]?.replace('#', '-');
        assert.match(page.html, new RegExp(`id="${field}-problem"`), 'beside the field');
        const brought = await inLanguage(language, () => manifest(fields));
        assert.equal(brought.response.status, 422);
        assert.match(listOn(brought), said);
      }
      assert.deepEqual(await client(), before);
    });

  it('shows which name it is too much like', async () => {
    assert.match((await inLanguage('en', () => settings({ client_name: 'Moonbe11' }))).html, /<bdi class="small">Moonbell<\/bdi>/);
  });

  it('says of a manifest which scopes there are not, and which address is wrong and why', async () => {
    const before = await client();
    const scopes = await inLanguage('ko', () => manifest({ scope: 'openid walks:read walks:write' }));
    assert.match(listOn(scopes), /여기에 없는 스코프예요[^<]*<bdi class="small">walks:read walks:write<\/bdi>/);
    const address = await inLanguage('ko', () => manifest({ redirect_uris: ['http://walk.example/cb'] }));
    assert.match(listOn(address), /1번째 줄이 http로[\s\S]*https:\/\/walk\.example\/cb/);
    const imported = await fill(developer, '/developer/import', { text: JSON.stringify({ ...MANIFEST, scope: 'nowhere' }) });
    assert.match(listOn(imported), /여기에 없는 스코프예요/);
    assert.deepEqual(await client(), before);
  });

  it('says in the library’s English what it alone refuses', async () => {
    const before = await client();
    const page = await inLanguage('ko', () => manifest({ subject_type: 'pairwise' }));
    assert.equal(page.response.status, 422);
    assert.match(listOn(page), /서버가 받지 않은 값이에요: <bdi class="small" lang="en">subject_type must be/);
    assert.deepEqual(await client(), before);
  });

  it('takes the portal’s own callback, which is http here, on settings; no other address of ours', async () => {
    const { client_id } = madeOn(await importManifest(developer, JSON.stringify(MANIFEST)));
    const path = `/developer/clients/${client_id}`;
    await fill(developer, `${path}/try`, { act: 'add' });
    const redirect_uris = `https://walk.example/callback\n${server.issuer}${TRY_CALLBACK_PATH}`;
    const fields = { client_name: 'Walking Club 2', redirect_uris, scope: 'openid' };
    assert.equal((await fill(developer, path, fields)).url.search, '?done');
    const stored = async () => (await server.sql('select metadata from client where id = $1', [client_id]))[0]?.['metadata'];
    assert.deepEqual((Object(await stored()) as { redirect_uris: string[] }).redirect_uris, redirect_uris.split('\n'));
    const before = await stored();
    for (const other of [`${server.issuer}${TRY_CALLBACK_PATH}/`, `${server.issuer}/account/signed-in`])
      assert.equal((await fill(developer, path, { ...fields, redirect_uris: other })).response.status, 422, other);
    assert.equal(
      (await fill(developer, path, { ...fields, post_logout_redirect_uris: `${server.issuer}${TRY_CALLBACK_PATH}` })).response.status,
      422,
    );
    assert.deepEqual(await stored(), before);
  });

  it('keeps an address of a private network that an operator registered, and takes no other', async () => {
    const { client_id } = madeOn(await importManifest(developer, JSON.stringify(MANIFEST)));
    const path = `/developer/clients/${client_id}`;
    const [mine, other] = ['http://grafana.lan:3000/login', 'http://wiki.lan/login'];
    await server.sql(`update client set metadata = jsonb_set(metadata, '{redirect_uris}', $2::jsonb) where id = $1`, [
      client_id,
      JSON.stringify([mine]),
    ]);
    const fields = { client_name: 'Walking Club 3', scope: 'openid' };
    await eventually(
      'the change is known',
      async () => (await fill(developer, path, { ...fields, redirect_uris: mine })).url.search === '?done',
    );
    const before = await server.sql('select metadata from client where id = $1', [client_id]);
    for (const redirect_uris of [other, `${mine}\n${other}`])
      assert.equal((await fill(developer, path, { ...fields, redirect_uris })).response.status, 422);
    assert.deepEqual(await server.sql('select metadata from client where id = $1', [client_id]), before);
  });

  it('tells a developer that a change takes the software statement away, and takes it away with a change alone', async () => {
    const { client_id } = madeOn(await importManifest(developer, JSON.stringify(MANIFEST)));
    const path = `/developer/clients/${client_id}`;
    await server.sql(`update client set metadata = metadata || '{"software_statement": "a.b.c"}' where id = $1`, [client_id]);
    developer.browser.headers = { 'accept-language': 'en' };
    assert.match((await developer.browser.open(path)).html, /A change here removes the statement/);
    const stated = async () =>
      (await server.sql(`select metadata ? 'software_statement' as stated from client where id = $1`, [client_id]))[0]?.['stated'];
    const fields = { client_name: 'Walking Club', redirect_uris: 'https://walk.example/callback', scope: 'openid' };
    await fill(developer, path, fields);
    assert.equal(await stated(), true);
    assert.equal((await fill(developer, path, { ...fields, client_name: 'Running Club' })).url.search, '?done');
    assert.equal(await stated(), false);
    assert.doesNotMatch((await developer.browser.open(path)).html, /removes the statement/);
  });

  it('asks a client that only introspects for no addresses, pages or scopes, and lists it as what it is', async () => {
    const { client_id } = await createResourceServerClient(server);
    await own(server, client_id, developer.id);
    developer.browser.headers = { 'accept-language': 'en' };
    assert.match((await developer.browser.open('/developer')).html, /Checks the tokens of an API/);
    const path = `/developer/clients/${client_id}`;
    const page = await developer.browser.open(path);
    assert.doesNotMatch(page.html, /name="(redirect_uris|post_logout_redirect_uris|policy_uri|scope)"|\/try"|\/preview"/);
    assert.equal((await fill(developer, path, { client_name: 'Books at night' })).url.search, '?done');
    const [row] = await server.sql(
      `select metadata->>'client_name' as name, metadata->'grant_types' as grants, metadata ? 'scope' as scoped, introspects from client where id = $1`,
      [client_id],
    );
    assert.deepEqual(row, { name: 'Books at night', grants: [], scoped: false, introspects: server.issuer });
  });
});

/** What is wrong, on a page that has one field for everything. */
const listOn = (page: Page): string => /<ul class="points">[\s\S]*?<\/ul>/.exec(page.html)?.[0] ?? page.html;
