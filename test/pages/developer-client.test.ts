import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf, openAccount } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, introspect, obtainTokens, pkce } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { type MadeClient, makeOwnedClient, type OwnedClient, problemsOn, sendTo } from '../support/portal.ts';
import { countRows, unchanged } from '../support/storage.ts';

const SETTINGS = { client_name: 'Walking Club', redirect_uris: 'https://walk.example/callback', scope: ['openid', 'profile'] };

describe('A client in the portal', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const made = (answers?: Record<string, string | string[]>) => makeOwnedClient(server, answers);
  const metadataOf = async ({ client_id }: MadeClient) =>
    (await server.sql('select metadata from client where id = $1', [client_id]))[0]?.['metadata'] as Record<string, unknown>;

  it('is changed in what it says of itself, and stays what it is', async () => {
    const one = await made();
    const before = await metadataOf(one);
    const done = await sendTo(one.page, one.path, {
      ...SETTINGS,
      client_name: 'Running Club',
      'client_name#ko': '달리기 모임',
      redirect_uris: 'https://walk.example/callback\r\nhttps://walk.example/callback/',
      post_logout_redirect_uris: 'https://walk.example/bye',
      policy_uri: 'https://walk.example/privacy',
      'tos_uri#ko': 'https://walk.example/ko/terms',
      scope: ['openid', 'email', 'posts:read'],
    });
    assert.equal(done.url.search, '?done', done.html);
    assert.match(done.html, /Two addresses differ only by the slash at the end/);
    assert.deepEqual(await metadataOf(one), {
      ...before,
      client_name: 'Running Club',
      'client_name#ko': '달리기 모임',
      redirect_uris: ['https://walk.example/callback', 'https://walk.example/callback/'],
      post_logout_redirect_uris: ['https://walk.example/bye'],
      policy_uri: 'https://walk.example/privacy',
      'tos_uri#ko': 'https://walk.example/ko/terms',
      scope: 'openid email posts:read',
    });
    const [event] = await server.sql(
      `select jsonb_array_length(detail->'changes') as changes from audit_event where client_id = $1 and type = 'client_changed'`,
      [one.client_id],
    );
    assert.equal(event?.['changes'], 7);
    assert.equal(
      await countRows(server, 'client_secret where client_id = $1 and expires_at is null', [one.client_id]),
      1,
      'its secret works on',
    );
    const { access_token } = await obtainTokens(server, one as Required<OwnedClient>, await server.createPerson(), { scope: 'openid' });
    assert.equal((await introspect(server, one as Required<OwnedClient>, access_token))['active'], true);
  });

  it('warns that a change takes the verification away, and takes it away with a change alone', async () => {
    const one = await made();
    await server.sql(`update client set publisher = 'Walking Inc.', verified_at = now() where id = $1`, [one.client_id]);
    const page = await one.page.person.open(one.path);
    assert.match(page.html, /no longer verified until an operator/);
    assert.match(page.html, /<bdi>Walking Inc\.<\/bdi>/);
    const publisher = async () => (await server.sql('select publisher from client where id = $1', [one.client_id]))[0]?.['publisher'];
    await unchanged(server, () => sendTo(page, one.path, SETTINGS), ['session']);
    assert.equal(await publisher(), 'Walking Inc.');
    await sendTo(page, one.path, { ...SETTINGS, client_uri: 'https://walk.example' });
    assert.equal(await publisher(), null);
  });

  it('keeps the services that an operator allowed it, and cannot take what none did', async () => {
    const one = await made();
    await server.sql(
      `update client set services = '{far}', metadata = metadata || '{"grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"]}' where id = $1`,
      [one.client_id],
    );
    const fields = { grant_types: 'client_credentials', token_endpoint_auth_method: 'none', publisher: 'Bank', services: 'near' };
    const change = () => sendTo(one.page, one.path, { ...SETTINGS, client_name: 'Renamed', ...fields });
    await eventually('the server knows what was allowed', async () => (await change()).url.search === '?done');
    const metadata = await metadataOf(one);
    assert.equal((metadata['grant_types'] as string[]).length, 3);
    assert.equal(metadata['token_endpoint_auth_method'], 'client_secret_basic');
    const [row] = await server.sql('select publisher, services from client where id = $1', [one.client_id]);
    assert.deepEqual(row, { publisher: null, services: ['far'] });
  });

  it('says what is wrong beside the field, and changes nothing', async () => {
    const one = await made();
    for (const [fields, problem] of [
      [{ redirect_uris: 'http://walk.example/callback' }, /^redirect_uris: Line 1 begins with http/],
      [{ redirect_uris: '' }, /^redirect_uris: Enter at least one/],
      [{ post_logout_redirect_uris: 'javascript:alert(1)' }, /^post_logout_redirect_uris: Line 1 uses a scheme/],
      [{ policy_uri: 'javascript:alert(1)' }, /^policy_uri: Enter a full address/],
      [{ 'tos_uri#en': 'data:text/html,x' }, /^tos_uri-en: Enter a full address/],
      [{ client_uri: 'https://' }, /^client_uri: Enter a full address/],
      [{ client_name: '\u202e' }, /^client_name: Enter a name of up to/],
      [{ scope: ['openid', 'admin:people'] }, /^scope: Choose from/],
      [{ scope: [] }, /^scope: Choose at least/],
    ] as [Record<string, string | string[]>, RegExp][]) {
      const page = await unchanged(server, () => sendTo(one.page, one.path, { ...SETTINGS, ...fields }), ['session']);
      assert.equal(page.response.status, 422, JSON.stringify(fields));
      assert.match(problemsOn(page).join('\n'), problem);
    }
    await server.sql('update client set suspended_at = now() where id = $1', [one.client_id]);
    await eventually('the server knows', async () => /suspended/.test((await one.page.person.open(`${one.path}/preview`)).html));
    const suspended = await unchanged(server, () => sendTo(one.page, one.path, SETTINGS), ['session']);
    assert.equal(suspended.response.status, 422);
    assert.match((await one.page.person.open('/developer')).html, /Suspended/);
  });

  it('is nobody else’s to see, change, give secrets to or delete: it is not there for them', async () => {
    const [one, other] = [await made(), await made()];
    const { person } = other.page;
    const nowhere = `/developer/clients/${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}`;
    for (const base of [one.path, nowhere, '/developer/clients/%00', '/developer/clients/%ED%A0%80', '/developer/clients/munjigi-account'])
      for (const page of ['', '/secrets', '/preview', '/delete'])
        await unchanged(server, async () => {
          const seen = await person.open(base + page);
          assert.ok([400, 404].includes(seen.response.status), `${base}${page} ${seen.response.status}`);
          assert.equal(seen.html.includes('Walking Club'), false);
          if (page === '/preview') return;
          const fields = { ...SETTINGS, action: 'make', overlap: '0', name: one.client_id };
          const sent = await sendTo(other.page, base + page, fields);
          assert.ok([400, 404].includes(sent.response.status), `${base}${page} ${sent.response.status}`);
        }, ['session', 'audit_event']);
  });

  it('is previewed as people meet it, in the language of the page, with buttons that do nothing', async () => {
    const one = await made({ 'client_name#ko': '산책 모임', scope: ['openid', 'email', 'posts:write'] });
    const page = await one.page.person.open(`${one.path}/preview`);
    const real = await (async () => {
      const browser = Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'en' } });
      const { code_verifier: _, ...challenge } = pkce();
      const resource = `${server.issuer}/api/posts`;
      const asked = await browser.open(authorizePath(one, { ...challenge, resource, scope: 'openid email posts:write' }));
      return asked.submit({ email: one.owner.email, password: one.owner.password });
    })();
    const words = (html: string) =>
      [...html.matchAll(/<(?:legend|dt|li|dd)>([\s\S]*?)<\/(?:legend|dt|li|dd)>/g)].map(([, text]) =>
        String(text)
          .replace(/<[^>]+>/g, '')
          .replace(/\s+/g, ' ')
          .trim(),
      );
    const asked = words(real.html).filter((text) => text && !/한국어|English/.test(text));
    assert.ok(asked.length > 8, real.html);
    for (const text of asked) assert.ok(words(page.html).includes(text), text);
    assert.equal(page.html.match(/<button[^>]* disabled>/g)?.length, 3);
    assert.doesNotMatch(page.html.split('class="item preview"')[1] ?? '', /<form|name="decision"/);
    assert.equal(page.html.match(/<h1>/g)?.length, 1);
    assert.match((await one.page.person.open(`${one.path}/preview?lang=ko`)).html, /<h2><bdi>산책 모임<\/bdi>/);
  });

  it('says what it requires and why; the rest is for people to choose', async () => {
    const one = await made({ scope: ['openid', 'api', 'restricted', 'posts:write'] });
    const page = await one.page.person.open(`${one.path}/preview`);
    assert.match(page.html, /name="need api" value="required" checked/, 'an app that declared nothing requires what it asks');
    assert.doesNotMatch(page.html, /name="need restricted"/, 'sensitive, and nobody verified the app');
    const metadata = async () =>
      (await server.sql('select metadata from client where id = $1', [one.client_id]))[0]?.['metadata'] as object;
    const wrong = await unchanged(server, () => page.submit({ 'need api': 'required', 'required_scope_reason#en': 'x\u202ey' }));
    assert.match(wrong.html, /id="problem" role="alert"/);
    const saved = await page.submit({
      'need api': 'required',
      'need posts:write': 'optional',
      'need restricted': 'required',
      'required_scope_reason#en': 'We show your data.',
    });
    assert.match(saved.html, /name="need posts:write" value="optional" checked/);
    assert.match(saved.html, /<q><bdi>We show your data\.<\/bdi><\/q>/);
    const { required_scope, ...others } = (await metadata()) as Record<string, unknown>;
    assert.equal(required_scope, 'openid profile email api');
    assert.equal(others['required_scope_reason#en'], 'We show your data.');
    const stranger = Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'en' } });
    const { code_verifier: _, ...challenge } = pkce();
    const asked = await stranger.open(authorizePath(one, { ...challenge, scope: 'openid api restricted' }));
    assert.deepEqual((await asked.submit(await server.createPerson())).optionalScopes, ['restricted']);
  });

  it('is deleted by its name, with all that people allowed it', async () => {
    const one = await made();
    const { access_token } = await obtainTokens(server, one as Required<OwnedClient>, await server.createPerson());
    const api = await server.createClient({ grant_types: [], response_types: [], redirect_uris: [], introspects: server.issuer });
    assert.equal((await introspect(server, api, access_token))['active'], true);
    const path = `${one.path}/delete`;
    const page = await one.page.person.open(path);
    assert.match(page.html, /1 user loses access/);
    for (const name of ['', 'Walking', 'yes']) {
      const kept = await unchanged(server, () => sendTo(page, path, { name }), ['session']);
      assert.equal(kept.response.status, 422);
    }
    const done = await sendTo(page, path, { name: ' Walking  Club ' });
    assert.equal(done.url.pathname, '/developer');
    assert.equal(await countRows(server, 'client where id = $1', [one.client_id]), 0);
    assert.deepEqual(await introspect(server, api, access_token), { active: false });
    assert.equal((await eventsOf(server, one.owner.id))[0], 'client_deleted');
    assert.equal((await one.page.person.open(one.path)).response.status, 404);
  });

  it('lists who looks after it what there is to know at a glance', async () => {
    const one = await made();
    await sendTo(one.page, `${one.path}/secrets`, { action: 'make', overlap: '3' });
    await server.sql(`update client set publisher = 'Walking Inc.' where id = $1`, [one.client_id]);
    const list = await openAccount(server, one.owner, '/developer', one.page.person);
    assert.match(list.html, /Verified/);
    assert.match(list.html, /A secret expires/);
  });
});
