import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import { saveProvider } from '../../src/features/federation/providers.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { addProvider, startUpstream } from '../support/upstream.ts';
import { depart, stored } from '../support/upstream-visit.ts';

/** Another instance of this very server is the provider, which we authenticate to by a key of our own (private_key_jwt, OIDC Core section 9). */
describe('Signing in by another Munjigi', () => {
  let server: TestServer;
  let far: TestServer;
  let client: TestClient;
  let traveller: Awaited<ReturnType<TestServer['createPerson']>>;
  let privateJwk: Awaited<ReturnType<typeof exportJWK>>;

  before(async () => {
    [server, far] = [await startTestServer(), await startTestServer()];
    [client, traveller] = [await server.createClient(), await far.createPerson({ name: '여행자' })];
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    privateJwk = { ...(await exportJWK(privateKey)), kid: 'ours', alg: 'ES256' };
    await saveProvider(server.database, new KeyRing(server.config.dataEncryptionKeys), {
      id: 'far',
      name: 'Far Munjigi',
      settings: {
        issuer: far.issuer,
        clientId: 'near',
        clientAuthMethod: 'private_key_jwt',
        scopes: ['openid', 'profile', 'email', 'offline_access'],
        privateNetwork: true,
      },
      credentials: JSON.stringify(privateJwk),
      services: [],
    });
    await far.createClient({
      client_id: 'near',
      client_name: 'Near',
      redirect_uris: [`${server.issuer}/upstream/far/callback`],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: (await (await fetch(`${server.issuer}/upstream/far/jwks`)).json()) as Record<string, unknown>,
    });
    // Here its address leads to this very machine, where anybody could pass for it: an operator there knows who it is.
    await far.sql("update client set publisher = 'Near', verified_at = now() where id = 'near'");
  });
  after(async () => {
    await server.close();
    await far.close();
  });

  it('the public half of our key, and nothing else of it, is where the provider looks for it', async () => {
    const response = await fetch(`${server.issuer}/upstream/far/jwks`);
    assert.equal(response.status, 200);
    assert.match(String(response.headers.get('content-type')), /^application\/jwk-set\+json/);
    const { kty, crv, x, y } = privateJwk;
    assert.deepEqual(await response.json(), { keys: [{ kty, kid: 'ours', alg: 'ES256', crv, x, y, use: 'sig' }] });
    const plain = await startUpstream();
    await addProvider(server, plain, { id: 'plain' });
    for (const id of ['plain', 'nobody', 'far%00']) assert.equal((await fetch(`${server.issuer}/upstream/${id}/jwks`)).status, 404, id);
    await server.sql("delete from upstream_provider where id = 'plain'");
    await plain.close();
  });

  it('somebody signs in there, allows us there, and has an account here; the next time that is enough', async () => {
    const before = await stored(server);
    const abroad = new Person(far.issuer);
    const away = await depart(server, client);
    const signIn = await abroad.open(away.url.href);
    const consent = await signIn.submit({ email: traveller.email, password: traveller.password });
    const answer = await consent.submit({ scope: consent.optionalScopes, decision: 'approve' });
    assert.equal(answer.url.origin, server.issuer);
    assert.equal(answer.url.searchParams.get('iss'), far.issuer);
    const form = await away.person.open(answer.url.href);
    assert.ok(form.html.includes(traveller.email) && form.html.includes('여행자'), form.html);
    assert.match((await form.submit({ name: '여행자', agree: 'yes' })).html, /value="approve"/);
    const [account] = await server.sql('select id from user_account where email = $1', [traveller.email]);
    const [identity] = await server.sql('select * from upstream_identity where subject = $1', [traveller.id]);
    assert.equal(identity?.['account_id'], account?.['id']);
    const [token] = await server.sql('select * from upstream_token where identity_id = $1', [identity?.['id']]);
    assert.match(String(token?.['refresh_token']), /^v1\./);

    const again = await depart(server, client);
    const straight = await abroad.open(again.url.href);
    assert.equal(straight.url.origin, server.issuer, 'they are signed in there, and have allowed it');
    assert.match((await again.person.open(straight.url.href)).html, /value="approve"/);
    assert.equal((await stored(server)).accounts, before.accounts + 1);
  });

  it('somebody who says no there is back at our sign-in page', async () => {
    const other = await far.createPerson();
    const before = await stored(server);
    const away = await depart(server, client);
    const consent = await (await new Person(far.issuer).open(away.url.href)).submit({ email: other.email, password: other.password });
    const answer = await consent.submit({ decision: 'deny' });
    const page = await away.person.open(answer.url.href);
    assert.equal(page.response.status, 401);
    assert.match(page.html, /was cancelled or refused/);
    assert.deepEqual(await stored(server), before);
  });
});
