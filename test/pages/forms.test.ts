import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { allowServices } from '../../src/oauth/clients/store.ts';
import { digest } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, type Credentials, pkce, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { passAMinute } from '../support/storage.ts';
import { addProvider, startUpstream } from '../support/upstream.ts';

const SERVICE = { scope: 'openid far:notes' };

/** Lets a client ask for the service of a provider that nobody gets to. */
async function letAskForServices(server: TestServer, { client_id }: TestClient): Promise<void> {
  const upstream = await startUpstream('oauth2');
  await upstream.close();
  await addProvider(server, upstream, { services: ['notes'], signIn: false });
  await server.database.change(allowServices(client_id, { services: ['far'], origins: [] }));
}

describe('Forms on our pages', () => {
  let server: TestServer;
  let client: TestClient;
  let credentials: Credentials & { id: string };
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    credentials = await server.createPerson();
    await letAskForServices(server, client);
    await (await openSignIn(SERVICE)).submit(credentials).then((page) => page.submit({ scope: 'far:notes', decision: 'approve' }));
  });
  after(() => server.close());

  const path = (parameters: Record<string, string> = {}) => authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters });
  const openSignIn = (parameters: Record<string, string> = {}, person = new Person(server.issuer)) => person.open(path(parameters));
  // Asked for each time: what was allowed once is remembered.
  const openConsent = async (parameters: Record<string, string> = {}) =>
    (await openSignIn({ prompt: 'consent', ...parameters })).submit(credentials);
  const openConnect = async () => (await openSignIn(SERVICE)).submit(credentials);
  const csrfOf = (page: Page) => String(page.form().hidden['csrf']);
  const post = (page: Page, body: BodyInit, headers: Record<string, string> = {}) =>
    page.person.open(page.form().action, { method: 'POST', body, headers });

  /** Everything that a form could have changed. */
  const stored = () =>
    server.sql(`select 'grant' as what, id, payload::text from grant_record union all
      select 'session', encode(id, 'hex'), payload::text from session union all
      select 'code', encode(id, 'hex'), payload::text from authorization_code union all
      select 'record', encode(id, 'hex'), payload::text from protocol_record order by 1, 2`);

  async function assertRefused(status: number, attempt: () => Promise<Page>, why: string): Promise<void> {
    const before = await stored();
    const page = await attempt();
    assert.equal(page.response.status, status, why);
    assert.deepEqual(await stored(), before, `${why}: nothing changed`);
  }

  const forms: Record<string, { open: () => Promise<Page>; fields: () => Record<string, string>; goesOn: (page: Page) => void }> = {
    'sign-in': {
      open: openSignIn,
      fields: () => ({ email: credentials.email, password: credentials.password }),
      goesOn: (page) => assert.match(page.html, /name="decision"/),
    },
    consent: {
      open: () => openConsent(),
      fields: () => ({ decision: 'approve' }),
      goesOn: (page) => assert(page.url.searchParams.get('code')),
    },
    connect: {
      open: openConnect,
      fields: () => ({ decision: 'without' }),
      goesOn: (page) => assert(page.url.searchParams.get('code')),
    },
  };

  for (const [name, { open, fields, goesOn }] of Object.entries(forms)) {
    it(`${name}: refused without its token, with another one's, and from another site; then the right one works`, async () => {
      const [page, other, signIn] = [await open(), await open(), await openSignIn()];
      for (const csrf of ['', 'guessed', csrfOf(other), csrfOf(signIn)])
        await assertRefused(403, () => page.submit({ ...fields(), csrf }), `csrf ${csrf}`);
      await assertRefused(403, () => post(page, new URLSearchParams(fields())), 'no csrf at all');
      for (const headers of [
        { origin: 'https://evil.example' },
        { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
        { origin: server.issuer.replace('localhost', '127.0.0.1') },
        { origin: 'null', 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
      ] as Record<string, string>[])
        await assertRefused(
          403,
          () => post(page, new URLSearchParams({ ...fields(), csrf: csrfOf(page) }), headers),
          JSON.stringify(headers),
        );
      goesOn(await page.submit(fields()));
    });

    it(`${name}: refused when it is empty, too large, of another type, or of text that nothing can keep`, async () => {
      const page = await open();
      const right = new URLSearchParams({ ...fields(), csrf: csrfOf(page) });
      await assertRefused(403, () => post(page, new URLSearchParams()), 'empty');
      await assertRefused(413, () => post(page, `${right}&more=${'x'.repeat(70_000)}`, urlencoded), 'too large');
      await assertRefused(400, () => post(page, `${right}${'&scope=api'.repeat(200)}`, urlencoded), 'too many fields');
      await assertRefused(400, () => post(page, `${right}&scope=%00`, urlencoded), 'NUL');
      await assertRefused(415, () => post(page, JSON.stringify(Object.fromEntries(right)), { 'content-type': 'application/json' }), 'JSON');
      goesOn(await page.submit(fields()));
    });

    it(`${name}: counts once; a second press leads where the first did, and after a minute a page says that it was answered`, async () => {
      const page = await open();
      goesOn(await page.submit(fields()));
      const before = await stored();
      goesOn(await page.submit(fields()));
      assert.deepEqual(await stored(), before, 'a second time, nothing changes');
      await passAMinute(server);
      await assertRefused(400, () => page.submit(fields()), 'after a minute');
      assert.match((await page.submit(fields())).html, /This page is no longer valid/);
    });

    it(`${name}: refused in another browser, and so is its page`, async () => {
      const page = await open();
      const stranger = new Person(server.issuer);
      await assertRefused(400, () => stranger.open(page.url.pathname), 'the page');
      await assertRefused(
        400,
        () => stranger.open(page.form().action, { method: 'POST', body: new URLSearchParams({ ...fields(), csrf: csrfOf(page) }) }),
        'the form',
      );
      assert.match((await stranger.open(page.url.pathname)).html, /opened in another browser/);
      goesOn(await page.submit(fields()));
    });
  }

  it('a sign-in of nothing, or of a password longer than anyone has, is a failed one', async () => {
    const page = await openSignIn();
    for (const wrong of [{ email: '', password: '' }, {}, { email: credentials.email, password: 'x'.repeat(60_000) }])
      await assertRefused(401, () => page.submit(wrong as Record<string, string>), JSON.stringify(wrong).slice(0, 40));
  });

  it('a form sent twice, before the first was answered, is one decision', async () => {
    const own = await server.createPerson();
    const page = await (await openSignIn()).submit(own);
    const body = new URLSearchParams({ decision: 'approve', csrf: csrfOf(page) });
    const answers = [];
    for (let click = 0; click < 2; click++) answers.push(await page.person.request(page.form().action, { method: 'POST', body }));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [303, 303],
    );
    const { url } = await page.person.open(String(answers[1]?.headers.get('location')));
    assert(url.searchParams.get('code'));
    assert.equal((await server.sql('select id from grant_record where account_id = $1', [own.id])).length, 1);
  });

  it('a decision is taken to the client once, however many connections ask at once', async () => {
    const own = await server.createPerson();
    const page = await (await openSignIn()).submit(own);
    const body = new URLSearchParams({ decision: 'approve', csrf: csrfOf(page) });
    const decided = await page.person.request(page.form().action, { method: 'POST', body });
    const resume = String(decided.headers.get('location'));
    const cookie = page.person.cookies().join('; ');
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => fetch(resume, { redirect: 'manual', headers: { accept: 'text/html', cookie } })),
    );
    const codes = answers.map(({ headers }) => new URL(headers.get('location') ?? 'x:none').searchParams.get('code'));
    assert(codes[0]);
    assert.deepEqual(new Set(codes), new Set([codes[0]]), 'each gets the one code');
    for (const { headers } of answers)
      for (const [, id] of headers.getSetCookie().flatMap((line) => [...line.matchAll(/^session=([^;]+)/g)]))
        assert.equal(
          (await server.sql('select 1 from session where id = $1', [digest(String(id))])).length,
          1,
          'a cookie names a session that was kept',
        );
    assert.equal((await server.sql('select id from authorization_code where account_id = $1', [own.id])).length, 1);
    assert.equal((await server.sql('select id from session where account_id = $1', [own.id])).length, 1);
  });

  it('a consent without a clear yes is a no', async () => {
    for (const fields of [{}, { decision: '' }, { decision: 'maybe' }, { decision: ['deny', 'approve'] }]) {
      const before = (await server.sql('select id from grant_record order by id')).length;
      const { url } = await (await openConsent()).submit(fields as Record<string, string>);
      assert.equal(url.searchParams.get('error'), 'access_denied', JSON.stringify(fields));
      assert.equal((await server.sql('select id from grant_record order by id')).length, before);
    }
  });

  it('a consent gives only what was asked for, whatever is ticked', async () => {
    const own = await server.createPerson();
    const page = await (await openSignIn({ scope: 'openid profile' })).submit(own);
    await page.submit({ decision: 'approve', scope: ['email', 'restricted', 'posts:write', 'nonsense'] });
    const [grant] = await server.sql('select payload from grant_record where account_id = $1', [own.id]);
    assert.deepEqual((grant as { payload: { openid: unknown } }).payload.openid, { scope: 'openid profile' });
  });

  it('a consent is refused when somebody else has signed in meanwhile, in another tab', async () => {
    const page = await openConsent();
    const other = await server.createPerson();
    const between = await (await openSignIn({ prompt: 'login' }, page.person)).submit(other);
    assert.match(between.html, new RegExp(other.email));
    const before = await server.sql('select id from grant_record order by id');
    assert.equal((await page.submit({ decision: 'approve' })).response.status, 400);
    assert.deepEqual(await server.sql('select id from grant_record order by id'), before);
  });
});

const urlencoded = { 'content-type': 'application/x-www-form-urlencoded' };
