import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf, openAccount } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { introspect, obtainTokens } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { ANSWERS, makeClient, NEW_CLIENT, problemsOn, secretOn, sendTo } from '../support/portal.ts';
import { countRows, dumpTables, unchanged } from '../support/storage.ts';

const tickedOn = ({ html }: { html: string }) => [...html.matchAll(/name="scope" value="([^"]+)" checked/g)].map(([, scope]) => scope);

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

describe('Making a client in the portal', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const english = () => Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'en' } });
  const stored = async (id: string) => {
    const [row] = await server.sql('select metadata, registration::text from client where id = $1', [id]);
    return row as { metadata: Record<string, unknown>; registration: string };
  };

  it('asks three questions, on one page and without a script', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, '/developer', english());
    assert.match(page.html, /href="\/developer\/clients\/new"/);
    const form = await page.person.open(NEW_CLIENT);
    assert.equal(form.html.match(/name="place"/g)?.length, 5);
    assert.equal(form.html.match(/name="person"/g)?.length, 2);
    assert.deepEqual(tickedOn(form), ['openid', 'profile', 'email'], 'who the person is, is proposed');
    assert.match(form.html, /Read posts/);
    assert.doesNotMatch(form.html, /admin:|<script/);
    assert.match((await page.person.open('/account')).html, /href="\/developer"/);
    assert.match((await page.person.open('/')).html, /href="\/developer"/);
  });

  for (const { place, person: signsIn = 'yes', uri = '', grants, method, type = 'web' } of [
    { place: 'server', uri: 'https://walk.example/cb', grants: ['authorization_code', 'refresh_token'], method: 'client_secret_basic' },
    { place: 'browser', uri: 'https://walk.example/cb', grants: ['authorization_code', 'refresh_token'], method: 'none' },
    { place: 'native', uri: 'http://127.0.0.1/cb', grants: ['authorization_code', 'refresh_token'], method: 'none', type: 'native' },
    { place: 'device', grants: [DEVICE_GRANT, 'refresh_token'], method: 'none', type: 'native' },
    { place: 'service', person: 'no', grants: ['client_credentials'], method: 'client_secret_basic' },
    { place: 'server', person: 'no', grants: ['client_credentials'], method: 'client_secret_basic' },
  ])
    it(`chooses what fits ${place} where ${signsIn === 'yes' ? 'a person' : 'nobody'} signs in, and says why`, async () => {
      const person = await server.createPerson();
      const made = await makeClient(server, person, { place, person: signsIn, redirect_uris: uri }, english());
      const { metadata, registration } = await stored(made.client_id);
      assert.deepEqual(metadata['grant_types'], grants);
      assert.equal(metadata['token_endpoint_auth_method'], method);
      assert.deepEqual(metadata['response_types'], grants.includes('authorization_code') ? ['code'] : []);
      assert.equal(metadata['application_type'], type);
      assert.deepEqual(metadata['redirect_uris'], uri ? [uri] : []);
      // Where no person signs in there is nobody to identify.
      assert.equal(metadata['scope'], signsIn === 'yes' ? 'openid profile' : undefined);
      assert.equal(registration, 'dynamic');
      assert.equal(made.client_secret === undefined, method === 'none');
      const why = /It runs on|A browser page cannot|An app on a device|A device without|No user signs in/;
      assert.match(made.page.html, why);
      assert.match((await made.page.person.open(`/developer/clients/${made.client_id}`)).html, why);
      assert.deepEqual(await eventsOf(server, person.id), ['client_made']);
    });

  it('the place answers who signs in, whatever a hidden field says, and the chosen API has its scopes alone', async () => {
    const posts = `${server.issuer}/api/posts`;
    for (const [answers, scope, resource] of [
      [{ place: 'browser', person: 'no', api: server.issuer, scope: ['openid', 'posts:read', 'api'] }, 'openid api', undefined],
      [{ place: 'browser', person: '', scope: ['openid', 'posts:read', 'api'] }, 'openid posts:read api', undefined],
      [{ place: 'browser', person: '', api: 'none', scope: ['openid', 'posts:read', 'api'] }, 'openid', undefined],
      [{ place: 'browser', person: '', api: posts, scope: ['openid', 'posts:read', 'api'] }, 'openid posts:read', posts],
      [{ place: 'service', person: 'yes', api: posts, scope: ['openid', 'posts:read', 'api'] }, 'posts:read', posts],
    ] as const) {
      const made = await makeClient(server, await server.createPerson(), { ...answers, scope: [...answers.scope] }, english());
      const { metadata } = await stored(made.client_id);
      assert.deepEqual([metadata['scope'], metadata['resource']], [scope, resource]);
    }
  });

  it('an installation offers no samples, an owner’s API without scopes it does', async () => {
    const person = await server.createPerson();
    await server.sql(
      `insert into resource_server (id, identifier, name, owner_id) values (gen_random_uuid()::text, 'https://empty.example', 'Empty', $1)`,
      [person.id],
    );
    const form = await openAccount(server, person, NEW_CLIENT, english());
    assert.match(form.html, /name="api" value="https:\/\/empty\.example"/);
    assert.match(form.html, /An ID token with the user ID/);
    const installed = await startTestServer({ environment: 'production' });
    try {
      const browser = Object.assign(new Person(installed.issuer), { headers: { 'accept-language': 'en' } });
      const { html } = await openAccount(installed, await installed.createPerson(), NEW_CLIENT, browser);
      assert.doesNotMatch(html, /value="(posts:read|posts:write|api|restricted)"|Sample/);
      assert.match(html, /value="openid" checked/);
    } finally {
      await installed.close();
    }
  });

  it('gives an app of its own name the scopes of APIs that were ticked, and none of identity', async () => {
    const scope = ['openid', 'profile', 'email', 'api', 'posts:read'];
    const made = await makeClient(server, await server.createPerson(), { place: 'service', person: 'no', scope }, english());
    assert.equal((await stored(made.client_id)).metadata['scope'], 'api posts:read');
    const path = `/developer/clients/${made.client_id}`;
    assert.match((await made.page.person.open(`${path}/try`)).html, /id="own-scope"[^>]* value="posts:read"/);
    assert.match((await made.page.person.open(`${path}/snippets`)).html, /scope=posts:read/);
  });

  it('makes one that works at once: its people sign in, and its secret was shown once', async () => {
    const owner = await server.createPerson();
    const made = await makeClient(server, owner, { 'client_name#ko': '산책 모임' });
    assert.equal(made.page.response.headers.get('cache-control'), 'no-store');
    assert.equal((await stored(made.client_id)).metadata['client_name#ko'], '산책 모임');
    const { access_token } = await obtainTokens(server, made as Required<typeof made>, await server.createPerson());
    assert.equal((await introspect(server, made as Required<typeof made>, access_token))['active'], true);
    const secret = String(made.client_secret);
    for (const path of ['', '/secrets', '/preview', '/delete'])
      assert.equal((await made.page.person.open(`/developer/clients/${made.client_id}${path}`)).html.includes(secret), false);
    assert.equal(JSON.stringify(await dumpTables(server)).includes(secret), false, 'it is stored nowhere');
    assert.equal(server.logLines().join().includes(secret), false, 'nor logged');
    const [row] = await server.sql('select hint from client_secret where client_id = $1', [made.client_id]);
    assert.equal(row?.['hint'], `${secret.slice(0, 4)}…${secret.slice(-4)}`);
  });

  const WRONG: Record<string, [Record<string, string | string[]>, RegExp]> = {
    'nothing answered': [{ place: '', person: '' }, /^place: Choose where/],
    'a place that is none': [{ place: 'server-room' }, /^place: Choose where/],
    'a server without an answer to who signs in': [{ person: '' }, /^person: Choose whether/],
    'an API that is none': [{ api: 'https://unknown.example/' }, /^api: Choose from the APIs/],
    'the admin API': [{ api: 'ADMIN' }, /^api: Choose from the APIs/],
    'no scope': [{ scope: [] }, /^scope: Choose at least/],
    'a scope of the admin API': [{ scope: ['openid', 'admin:read'] }, /^scope: Choose from/],
    'a scope that is none': [{ scope: ['openid', 'root'] }, /^scope: Choose from/],
    'no name': [{ client_name: ' ' }, /^client_name: Enter a name for/],
    'a name that turns others round': [{ client_name: 'Bank\u202eknaB' }, /^client_name: Enter a name of up to/],
    'a name in one language that shows as nothing': [{ 'client_name#en': '\u3164' }, /^client_name-en: Enter a name of up to/],
    'a name that is too long': [{ client_name: 'x'.repeat(101) }, /^client_name: Enter a name of up to/],
    'no address': [{ redirect_uris: '\n \n' }, /^redirect_uris: Enter at least one/],
    'eleven addresses': [
      { redirect_uris: Array.from({ length: 11 }, (_, n) => `https://walk.example/${n}`).join('\n') },
      /up to 10 addresses/,
    ],
    'an address of code': [{ redirect_uris: 'javascript:alert(1)' }, /^redirect_uris: Line 1 uses a scheme that browsers/],
    'an address of code in capitals': [{ redirect_uris: 'JaVaScRiPt:alert(1)' }, /^redirect_uris: Line 1 uses a scheme that browsers/],
    'an address of code behind a tab': [{ redirect_uris: 'java\tscript:alert(1)' }, /^redirect_uris: Line 1 has a blank/],
    'a wildcard': [{ redirect_uris: 'https://walk.example/cb\nhttps://*.walk.example/cb' }, /^redirect_uris: Line 2 has a wildcard/],
    'a fragment': [{ redirect_uris: 'https://walk.example/cb#x' }, /^redirect_uris: Line 1 has a fragment/],
    'a user name': [{ redirect_uris: 'https://user@walk.example/cb' }, /^redirect_uris: Line 1 has a user name/],
    'plain http': [{ redirect_uris: 'http://walk.example/cb' }, /^redirect_uris: Line 1 begins with http/],
    'http on a private network': [{ redirect_uris: 'http://grafana.lan:3000/cb' }, /^redirect_uris: Line 1 begins with http/],
    'a page of this server': [{ redirect_uris: 'OWN' }, /^redirect_uris: Line 1 is an address of this server/],
    'a scheme with nothing behind it': [{ place: 'native', redirect_uris: 'walk:' }, /^redirect_uris: Line 1 ends after its scheme/],
    'a host that looks like another': [{ redirect_uris: 'https://раураl.example/cb' }, /^redirect_uris: Line 1 has a blank/],
    'an address that is too long': [{ redirect_uris: `https://walk.example/${'x'.repeat(2_000)}` }, /^redirect_uris: Line 1 is too long/],
  };
  for (const [what, [given, problem]] of Object.entries(WRONG))
    it(`makes nothing of ${what}, keeps what was typed, and says so beside the field`, async () => {
      const form = await openAccount(server, await server.createPerson(), NEW_CLIENT, english());
      const own = {
        ...(given['redirect_uris'] === 'OWN' && { redirect_uris: `${server.issuer}/account/signed-in` }),
        ...(given['api'] === 'ADMIN' && { api: `${server.issuer}/admin/api` }),
      };
      const answers = { ...given, ...own };
      const page = await unchanged(server, () => sendTo(form, NEW_CLIENT, { ...ANSWERS, 'client_name#ko': '산책', ...answers }));
      assert.equal(page.response.status, 422);
      assert.match(page.html, /<title>Error: /);
      assert.match(problemsOn(page).join('\n'), problem);
      const field = problemsOn(page)[0]?.split(':')[0];
      assert.match(page.html, new RegExp(`id="${field}-problem"`));
      assert.match(page.html, new RegExp(`id="${field}"[^>]* aria-describedby="[^"]*${field}-problem`));
      assert.match(page.html, /value="산책"/);
      assert.equal(secretOn(page), undefined);
      assert.doesNotMatch(page.html.replaceAll(/value="[^"]*"/g, ''), /[\u202e\u3164]/, 'what deceives is not shown as text');
    });

  it('takes a loopback address of a server in development, with its secret, and says what it is instead of warning', async () => {
    const person = await server.createPerson();
    const redirect_uris = 'http://localhost:3000/api/auth/callback/munjigi\nhttps://walk.example/cb';
    const made = await makeClient(server, person, { redirect_uris }, english());
    assert(made.client_secret);
    const { metadata } = await stored(made.client_id);
    assert.deepEqual([metadata['application_type'], metadata['redirect_uris']], ['web', redirect_uris.split('\n')]);
    const page = await openAccount(server, person, `/developer/clients/${made.client_id}`, english());
    assert.match(page.html, /<p class="notice after">This is a development address\. [^<]*<bdi class="small">http:\/\/localhost:3000/);
    assert.doesNotMatch(page.html, /<p class="notice caution after">/);
  });

  it('tells what would be right, in Korean too', async () => {
    const browser = Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'ko' } });
    const form = await openAccount(server, await server.createPerson(), NEW_CLIENT, browser);
    const page = await sendTo(form, NEW_CLIENT, { ...ANSWERS, redirect_uris: 'http://walk.example/cb' });
    assert.match(page.html, /1번째 줄이 http로 시작해요/);
    assert.match(page.html, /<bdi class="small">https:\/\/walk\.example\/cb<\/bdi>/);
  });

  it('takes no form that is not ours, and no text that cannot be kept', async () => {
    const form = await openAccount(server, await server.createPerson(), NEW_CLIENT);
    await unchanged(server, async () => {
      assert.equal((await sendTo(form, NEW_CLIENT, { ...ANSWERS, client_name: 'a\u0000b' })).response.status, 400);
      const body = new URLSearchParams({ ...(ANSWERS as Record<string, string>), csrf: 'guessed' });
      assert.equal(
        (await form.person.open(NEW_CLIENT, { method: 'POST', body, headers: { 'sec-fetch-site': 'same-origin' } })).response.status,
        403,
      );
    });
  });

  it('lets nobody have more than fifty, of twenty that come at once', async () => {
    const person = await server.createPerson();
    await server.sql(`insert into client (id, metadata, updated_at) select 'q' || n, '{}', now() from generate_series(1, 45) n`);
    await server.sql(`insert into client_owner (client_id, account_id) select 'q' || n, $1 from generate_series(1, 45) n`, [person.id]);
    const { person: browser } = await openAccount(server, person, NEW_CLIENT, english());
    const forms = await Promise.all(Array.from({ length: 20 }, () => browser.open(NEW_CLIENT)));
    const pages = await Promise.all(forms.map((form) => sendTo(form, NEW_CLIENT, ANSWERS)));
    assert.equal(pages.filter(({ response }) => response.status === 200).length, 5);
    const refused = pages.filter(({ response }) => response.status === 422);
    assert.equal(refused.length, 15);
    assert.match(problemsOn(refused[0] as never).join(), /up to 50 apps/);
    assert.equal(await countRows(server, 'client_owner where account_id = $1', [person.id]), 50);
    assert.equal(
      await countRows(server, `client where metadata->>'client_name' = 'Walking Club' and id not in (select client_id from client_owner)`),
      0,
    );
  });
});
