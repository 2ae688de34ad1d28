import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { allowServices } from '../../src/oauth/clients/store.ts';
import { allow, answerOf, ask, enable, goTo, kept, letReach, newTraveller, tokensFor, visit, visitsTo } from '../support/connecting.ts';
import { beginDevice, createDeviceClient, DEVICE_GRANT, poll, typeCode } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { ageSessions, proveEveryMailbox } from '../support/factors.ts';
import type { TestClient } from '../support/flow.ts';
import { createServiceClient, exchange } from '../support/linked.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

describe('Connecting services in special circumstances', () => {
  let server: TestServer;
  let far: TestUpstream;
  let near: TestUpstream;
  let client: TestClient;

  before(async () => {
    [server, far, near] = await Promise.all([startTestServer(), startUpstream(), startUpstream('oauth2')]);
    await proveEveryMailbox(server);
    await addProvider(server, far, { services: ['notes.read'] });
    await addProvider(server, near, { id: 'near', name: 'Near', services: ['photos'] });
    client = await createServiceClient(server, { services: ['far', 'near'] });
  });
  after(() => Promise.all([server.close(), far.close(), near.close()]));
  beforeEach(() => {
    for (const upstream of [far, near]) Object.assign(upstream, { wishes: {}, asked: [] });
  });

  const BOTH = 'openid far:notes.read near:photos';

  it("lists several providers on one page, and visits each at the user's click", async () => {
    const someone = await newTraveller(server, far, near);
    const page = await allow(await ask(someone, client, BOTH));
    assert.match(page.html, /Far account[\s\S]*Read notes\.read[\s\S]*Near account[\s\S]*Read photos/);
    assert.equal(visitsTo(far) + visitsTo(near), 0, 'the person chooses');
    const between = await visit(await goTo(page, 'near'), near);
    assert.match(between.html, /Far account/);
    assert.doesNotMatch(between.html, /Near account/);
    await tokensFor(server, client, await visit(await goTo(between, 'far'), far));
    assert.deepEqual(
      (await kept(server, someone)).tokens.map(({ provider_id, scope }) => `${provider_id} ${scope}`),
      ['far openid notes.read', 'near photos'],
    );
    assert.deepEqual((await kept(server, someone)).events.filter((type) => type === 'consent_given').length, 1, 'one word, recorded once');
  });

  it('continues without the rest after one of them', async () => {
    const someone = await newTraveller(server, far, near);
    const page = await allow(await ask(someone, client, BOTH));
    const between = await visit(await goTo(page, 'near'), near);
    await tokensFor(server, client, await between.submit({ decision: 'without' }));
    assert.equal((await kept(server, someone)).tokens.length, 1);
  });

  it('visits no provider that is already connected, for any address', async () => {
    const someone = await newTraveller(server, far, near);
    const page = await allow(await ask(someone, client, BOTH));
    const visits = () => server.sql('select count(*) from upstream_visit');
    const before = await visits();
    for (const provider of ['elsewhere', '', 'far%00', 'https://evil.example']) {
      const answer = await someone.person.request(`${page.url.pathname}/connect/go?provider=${provider}`);
      assert.equal(answer.headers.get('location'), `${page.url.pathname}/connect`);
    }
    assert.deepEqual(await visits(), before);
  });

  it('is skipped for a client that wants no page (prompt=none)', async () => {
    const someone = await newTraveller(server, far);
    await allow(await ask(someone, client, 'openid far:notes.read'));
    const { scope } = await tokensFor(server, client, await ask(someone, client, 'openid far:notes.read', { prompt: 'none' }));
    assert.equal(scope, 'openid far:notes.read');
    assert.equal(visitsTo(far), 0);
  });

  it('is offered again on the page of the next authorization, without an automatic redirect', async () => {
    const someone = await newTraveller(server, far);
    await allow(await ask(someone, client, 'openid far:notes.read'));
    const page = await ask(someone, client, 'openid far:notes.read');
    assert.equal(page.response.headers.get('refresh'), null);
    await tokensFor(server, client, await visit(await goTo(page, 'far'), far));
  });

  it('redirects a browser automatically once: the way back leads to the page', async () => {
    const someone = await newTraveller(server, far);
    const there = await allow(await ask(someone, client, 'openid far:notes.read'));
    const back = (await someone.person.request(await answerOf(there, far))).headers.get('refresh');
    const page = await someone.person.open(String(/url=(\/interaction\/[^/]+)\/connect\/return/.exec(String(back))?.[1]));
    assert.equal(page.response.status, 200);
    assert.equal(page.response.headers.get('refresh'), null);
    assert.match(page.html, /value="without"/);
  });

  it('requires a recent sign-in to link an account, against strangers at an open browser', async () => {
    const someone = await newTraveller(server, far);
    await ask(someone, client, 'openid');
    await ageSessions(server, someone.credentials.id, 3_600);
    const page = await allow(await ask(someone, client, 'openid far:notes.read'));
    assert.match(page.html, /name="password"/);
    assert.equal(visitsTo(far), 0);
    assert.deepEqual((await kept(server, someone)).identities, []);
    await tokensFor(server, client, await visit(await page.submit(someone.credentials), far));
    assert.deepEqual((await kept(server, someone)).events, ['consent_given', 'service_connected', 'identity_linked']);
  });

  it('requires another sign-in if the page was open for long', async () => {
    const someone = await newTraveller(server, far, near);
    await ask(someone, client, 'openid');
    const page = await allow(await ask(someone, client, BOTH));
    await ageSessions(server, someone.credentials.id, 3_600);
    const door = await goTo(page, 'far');
    assert.match(door.html, /name="password"/);
    const again = await door.submit(someone.credentials);
    assert.equal(again.response.headers.get('refresh'), null);
    await visit(await goTo(again, 'far'), far);
    assert.equal((await kept(server, someone)).tokens.length, 1);
  });

  it('is offered again when the user withdraws one of two services, because the stored token allows too much', async () => {
    await addProvider(server, far, { services: ['notes.read', 'notes.write'] });
    const someone = await newTraveller(server, far);
    const scope = 'openid far:notes.read far:notes.write';
    const first = await visit(await allow(await ask(someone, client, scope)), far);
    await tokensFor(server, client, first);
    const there = await allow(await ask(someone, client, scope, { prompt: 'consent' }), ['far:notes.read']);
    assert.equal(there.url.searchParams.get('scope'), 'openid notes.read');
    const { access_token } = await tokensFor(server, client, await visit(there, far));
    const scopes = (await kept(server, someone)).tokens.map((token) => token['scope']);
    assert.deepEqual(scopes, ['openid notes.read']);
    assert.equal((await exchange(server, client, access_token)).status, 200);
  });

  it('accepts one answer once, also from several parallel requests', async () => {
    const someone = await newTraveller(server, far);
    const answer = await answerOf(await allow(await ask(someone, client, 'openid far:notes.read')), far);
    const carried = (await someone.person.request(answer)).headers.get('refresh')?.replace('0; url=', '');
    const answers = await Promise.all(Array.from({ length: 8 }, () => someone.person.request(String(carried))));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [303]);
    assert.equal(answers.filter(({ headers }) => headers.get('location')?.includes('/oauth/authorize/')).length, 1);
    assert.deepEqual((await kept(server, someone)).events, ['consent_given', 'service_connected', 'identity_linked']);
    assert.equal(far.asked.filter(({ path }) => path === '/token').length, 1);
  });

  const meanwhile: [what: string, change: (accountId: string) => Promise<unknown>, goesOn: boolean][] = [
    ['the operator withdraws the permission', () => letReach(server, client, ['near']), true],
    ['the provider is disabled', () => enable(server, 'far', false), false],
    ['the user revokes the access', (id) => server.sql('delete from grant_record where account_id = $1', [id]), false],
  ];
  for (const [what, change, goesOn] of meanwhile)
    it(`stores nothing when ${what} while they are there`, async () => {
      const someone = await newTraveller(server, far);
      const answer = await answerOf(await allow(await ask(someone, client, 'openid far:notes.read')), far);
      await change(someone.credentials.id);
      try {
        const page = await someone.person.open(answer);
        assert.ok(page.response.status < 500);
        if (goesOn) await tokensFor(server, client, page);
        assert.deepEqual((await kept(server, someone)).identities, []);
      } finally {
        await enable(server, 'far', true);
        await letReach(server, client, ['far', 'near']);
      }
    });

  it('is part of the device flow too', async () => {
    const someone = await newTraveller(server, far);
    const device = await createDeviceClient(server, { grant_types: [DEVICE_GRANT] });
    await server.database.change(allowServices(device.client_id, { services: ['far'], origins: [] }));
    const { user_code, device_code } = await beginDevice(server, device, { scope: 'openid far:notes.read' });
    const page = await (await typeCode(server, user_code, someone.person)).submit({ decision: 'approve' });
    const done = await visit(await allow(await page.submit(someone.credentials)), far);
    assert.match(done.html, /Go back to your device/);
    const answer = await poll(server, device, device_code);
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { scope: string }).scope, 'openid far:notes.read');
    assert.equal((await kept(server, someone)).tokens.length, 1);
  });
});
