import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { openAccount, send } from '../support/account.ts';
import { allow, answerOf, ask, goTo, kept, newTraveller, type Someone, tokensFor, visit, visitsTo } from '../support/connecting.ts';
import { REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { proveMailbox } from '../support/factors.ts';
import type { Credentials, TestClient } from '../support/flow.ts';
import { createServiceClient } from '../support/linked.ts';
import { lettersTo, proofIn } from '../support/mailbox.ts';
import type { Page } from '../support/person.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { answerOf as answerAt, leaveFor, linkAt, linksOf } from '../support/upstream-link.ts';

/** An account at a provider by which people sign in opens the account here: to link one takes more than the password. */
describe('A new link to an account elsewhere takes more than the password', () => {
  let server: TestServer;
  let far: TestUpstream;
  let near: TestUpstream;
  let client: TestClient;
  before(async () => {
    [server, far, near] = await Promise.all([startTestServer(), startUpstream(), startUpstream()]);
    await addProvider(server, far, { services: ['notes.read'] });
    await addProvider(server, near, { id: 'near', name: 'Near', services: ['photos'], signIn: false });
    client = await createServiceClient(server, { services: ['far', 'near'], redirect_uris: [REDIRECT_URI] });
  });
  after(() => Promise.all([server.close(), far.close(), near.close()]));
  beforeEach(() => {
    for (const upstream of [far, near]) upstream.asked.length = 0;
  });

  async function prove(page: Page, { email }: Credentials): Promise<Page> {
    assert.match(page.url.pathname, /^\/account\/proof\//, page.html);
    const waiting = await page.submit({});
    return waiting.submit({ code: String(proofIn((await lettersTo(server, email)).at(-1) ?? assert.fail()).code) });
  }
  const identitiesOf = async (someone: Someone) => (await kept(server, someone)).identities;

  it('on the page of linked accounts', async () => {
    const someone = await newTraveller(server, far);
    const page = await openAccount(server, someone.credentials, '/account/links', someone.person);
    const asked = await someone.person.open(String(linkAt(page)));
    assert.equal(visitsTo(far), 0);
    const back = await prove(asked, someone.credentials);
    assert.equal(back.url.pathname, '/account/links');
    await someone.person.open(await answerAt(await leaveFor(back)));
    assert.equal((await identitiesOf(someone)).length, 1);
  });

  it('on the page that an app sends its user to, which goes on with what the app asked', async () => {
    const someone = await newTraveller(server, far);
    await allow(await ask(someone, client, 'openid far:notes.read'));
    const asked = await someone.person.open(
      `/account/links/far/connect?${new URLSearchParams({ client_id: client.client_id, redirect_uri: REDIRECT_URI, state: 's' })}`,
    );
    const page = await prove(asked, someone.credentials);
    assert.equal(page.url.pathname, '/account/links/far/connect');
    const { url } = await visit(await page.submit({}), far);
    assert.equal(url.searchParams.get('state'), 's');
    assert.equal((await identitiesOf(someone)).length, 1);
  });

  it('in an authorization, which goes on afterwards', async () => {
    const someone = await newTraveller(server, far);
    const asked = await allow(await ask(someone, client, 'openid far:notes.read'));
    assert.equal(visitsTo(far), 0);
    const page = await prove(asked, someone.credentials);
    assert.match(page.url.pathname, /^\/interaction\//);
    await tokensFor(server, client, await visit(await goTo(page, 'far'), far));
    assert.equal((await identitiesOf(someone)).length, 1);
  });

  it('but not at a provider by which nobody signs in', async () => {
    const someone = await newTraveller(server, near);
    await tokensFor(server, client, await visit(await allow(await ask(someone, client, 'openid near:photos')), near));
    assert.equal((await identitiesOf(someone)).length, 1);
  });

  it('also where a link that was there is unlinked on the way', async () => {
    const someone = await newTraveller(server, far);
    const { credentials, person } = someone;
    await openAccount(server, credentials, '/account', person);
    await proveMailbox(server, credentials);
    const linked = await person.open(await answerAt(await leaveFor(await person.open('/account/links'))));
    await server.sql(`update session set payload = payload - 'mailTs' where account_id = $1`, [credentials.id]);
    const there = await allow(await ask(someone, client, 'openid far:notes.read'));
    assert.equal(there.url.origin, far.issuer, 'what is linked is used without a proof');
    const answer = await answerOf(there, far);
    await send(linked, '/account/links', { unlink: 'far' });
    const back = await person.open(answer);
    assert.equal(back.url.searchParams.get('problem'), 'lost', back.html);
    assert.deepEqual(await linksOf(server, credentials.id), []);
  });
});
