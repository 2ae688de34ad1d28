import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createBearer } from '@munjigi/bearer/koa';
import {
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose';
import Koa from 'koa';
import { suspendClient } from '../../src/oauth/clients/store.ts';
import { loadSigningKeys, replaceSigningKeys, rotateSigningKeys } from '../../src/oauth/keys/signing-keys.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import {
  callApi,
  createResourceServerClient,
  introspect,
  obtainTokens,
  post,
  refresh,
  type TestClient,
  type Tokens,
} from '../support/flow.ts';
import { knowsScope } from '../support/owned-apis.ts';
import { unchanged } from '../support/storage.ts';

const INACTIVE = { active: false };
const API = 'https://shelves.example';
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('Introspection of JWT access tokens (RFC 7662, RFC 9068)', () => {
  let server: TestServer;
  let client: TestClient;
  let api: TestClient;
  let person: Awaited<ReturnType<TestServer['createPerson']>>;
  let keyRing: KeyRing;
  before(async () => {
    server = await startTestServer();
    keyRing = new KeyRing(server.config.dataEncryptionKeys);
    await addApi();
    client = await server.createClient();
    api = await server.createClient({ introspects: API, grant_types: [], response_types: [], redirect_uris: [] });
    person = await server.createPerson();
  });
  after(() => server.close());

  async function addApi() {
    await server.sql(`insert into resource_server (identifier, name, token_format) values ($1, 'Shelves', 'jwt')`, [API]);
    await server.sql(
      `insert into scope (name, resource_server_id, title_ko, title_en) values ('shelves', $1, '책장', 'Shelves'), ('dust', $1, '먼지', 'Dust')`,
      [API],
    );
    await knowsScope(server, 'shelves');
  }
  const asked = { scope: 'openid shelves', resource: API };
  const tokenOf = async (who = person, of = client, more: Record<string, string> = {}) =>
    obtainTokens(server, of, who, { ...asked, ...more }, { resource: API });
  const own = async (of = client) => {
    const response = await post(server, '/oauth/token', of, { grant_type: 'client_credentials', resource: API, scope: 'shelves' });
    return ((await response.json()) as Tokens).access_token;
  };
  const ourKey = async (alg = 'ES256') =>
    (await loadSigningKeys(server.database, keyRing)).keys.find((key) => key.alg === alg) as JWK & { kid: string };
  /** A JWT as this server would sign it, with other claims. */
  const signed = async (jwt: string, claims: object, header: object = {}) => {
    const key = await ourKey();
    return new SignJWT({ ...decodeJwt(jwt), ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'at+jwt', ...header })
      .sign(await importJWK(key));
  };

  it('tells its API the same as the JWT, and its own client too; no other caller learns anything', async () => {
    const { access_token } = await tokenOf();
    const claims = decodeJwt(access_token);
    assert.equal(typeof claims['grant_id'], 'string');
    assert.equal(typeof claims['session_id'], 'string');
    for (const token_type_hint of [undefined, 'access_token', 'refresh_token', 'made-up']) {
      const response = await post(server, '/oauth/introspect', api, { token: access_token, ...(token_type_hint && { token_type_hint }) });
      const { active, token_type, ...answer } = (await response.json()) as Record<string, unknown>;
      assert.deepEqual([response.status, active, token_type], [200, true, 'Bearer']);
      const { grant_id: _, session_id: __, ...told } = claims;
      assert.deepEqual(answer, told);
    }
    assert.equal((await introspect(server, client, access_token))['sub'], person.id);
    const open = { ...(await server.createClient({ token_endpoint_auth_method: 'none' })), client_secret: undefined };
    const others = [await server.createClient(), await createResourceServerClient(server), open];
    for (const other of others) assert.deepEqual(await introspect(server, other, access_token), INACTIVE);
    assert.deepEqual(await introspect(server, open, (await tokenOf(person, open)).access_token), INACTIVE);
  });

  it('shows that one requested without a resource opens userinfo too, with the claims requested by name', async () => {
    const who = await server.createPerson();
    const claims = JSON.stringify({ userinfo: { email: null } });
    const { access_token } = await obtainTokens(server, client, who, { scope: 'openid shelves', claims });
    assert.deepEqual(decodeJwt(access_token).aud, [API, `${server.issuer}/oauth/userinfo`]);
    const answer = await callApi(server, '/oauth/userinfo', access_token);
    assert.deepEqual(await answer.json(), { sub: who.id, email: who.email });
    const told = await introspect(server, api, access_token);
    assert.deepEqual([told['active'], told['userinfo_claims']], [true, undefined]);
    await server.sql('delete from session where account_id = $1', [who.id]);
    assert.equal((await callApi(server, '/oauth/userinfo', access_token)).status, 401);
    assert.deepEqual(await introspect(server, api, access_token), INACTIVE);
  });

  it("shows a client's own token with the client as subject and without a grant", async () => {
    const token = await own();
    const { active, sub, client_id } = await introspect(server, api, token);
    assert.deepEqual([active, sub, client_id], [true, client.client_id, client.client_id]);
    assert.equal(decodeJwt(token)['grant_id'], undefined);
  });

  it('finds one that names the API among other audiences', async () => {
    const { access_token } = await tokenOf();
    const both = await signed(access_token, { aud: [API, `${server.issuer}/oauth/userinfo`] });
    assert.deepEqual((await introspect(server, api, both))['aud'], [API, `${server.issuer}/oauth/userinfo`]);
    assert.deepEqual(await introspect(server, api, await signed(access_token, { aud: ['https://unknown.example', 'x'] })), INACTIVE);
  });

  it('shows it as inactive as soon as something it depends on has ended', async () => {
    const endings: Record<string, (id: string, of: TestClient) => Promise<unknown>> = {
      grant: (id) => server.sql('delete from grant_record where account_id = $1', [id]),
      'expired grant': (id) => server.sql('update grant_record set expires_at = now() where account_id = $1', [id]),
      session: (id) => server.sql('delete from session where account_id = $1', [id]),
      'disabled person': (id) => server.sql('update user_account set disabled_at = now() where id = $1', [id]),
      'deleted person': (id) => server.sql('delete from user_account where id = $1', [id]),
      'scope taken back': (id) => server.sql(`update grant_record set payload = payload - 'resources' where account_id = $1`, [id]),
      'suspended client': (_, { client_id }) => server.database.query(suspendClient(client_id)),
    };
    for (const [what, end] of Object.entries(endings)) {
      const [who, of] = [await server.createPerson(), await server.createClient()];
      const { access_token } = await tokenOf(who, of);
      assert.equal((await introspect(server, api, access_token))['active'], true, what);
      await end(who.id, of);
      await eventually(what, async () => (await introspect(server, api, access_token))['active'] === false);
    }
  });

  it('shows that one for offline access outlives the session, and names none', async () => {
    const who = await server.createPerson();
    const { refresh_token } = await tokenOf(who, client, { scope: 'openid offline_access shelves', prompt: 'consent' });
    const renewed = await refresh(server, client, String(refresh_token), { resource: API });
    const { access_token } = (await renewed.json()) as Tokens;
    assert.equal(decodeJwt(access_token)['session_id'], undefined);
    await server.sql('delete from session where account_id = $1', [who.id]);
    assert.equal((await introspect(server, api, access_token))['active'], true);
  });

  it("shows a client's own token as inactive after the client was suspended or deleted", async () => {
    for (const end of [`update client set suspended_at = now() where id = $1`, 'delete from client where id = $1']) {
      const of = await server.createClient();
      const token = await own(of);
      assert.equal((await introspect(server, api, token))['active'], true);
      await server.sql(end, [of.client_id]);
      await eventually('it is inactive', async () => (await introspect(server, api, token))['active'] === false);
    }
  });

  it('shows a JWT that this server did not sign as an access token as inactive, without an error or an outgoing request', async () => {
    const { access_token, id_token } = await tokenOf();
    const theirs = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(theirs.publicKey);
    let asked = 0;
    const elsewhere = createServer((_, response) => void response.end(JSON.stringify({ keys: [jwk] }), () => asked++)).listen(
      0,
      '127.0.0.1',
    );
    await new Promise((listening) => elsewhere.once('listening', listening));
    const jku = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/keys`;
    const key = await ourKey();
    const { d: _, ...published } = key;
    const claims = decodeJwt(access_token);
    const forged = (header: object, more: object = {}) =>
      new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header }).sign(theirs.privateKey);
    const byPublicKey = async (secret: string) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', kid: key.kid, typ: 'at+jwt' })
        .sign(new TextEncoder().encode(secret.padEnd(64)));
    const publicKey = (await importJWK(published)) as CryptoKey;
    const texts = [
      ...(await Promise.all(
        [{ kid: key.kid }, {}, { kid: 'foreign' }, { jwk }, { jku, kid: 'x' }, { x5u: jku, kid: 'x' }].map((header) => forged(header)),
      )),
      await forged({ kid: 'foreign' }, { iss: 'https://elsewhere.example' }),
      await byPublicKey(await exportSPKI(publicKey)),
      await byPublicKey(JSON.stringify(published)),
      `${part({ alg: 'none', typ: 'at+jwt' })}.${part(claims)}.`,
      `${part({ alg: 'none', typ: 'at+jwt', kid: key.kid })}.${part(claims)}.AA`,
      `${part({ alg: 'ES256', kid: key.kid, crit: ['x'], x: 1 })}.${part(claims)}.AA`,
      `${part({ alg: 'dir', enc: 'A128GCM' })}..AA.AA.AA`,
      `${part({ alg: 'ES256', kid: key.kid })}.${'A'.repeat(50_000)}.AA`,
      'e30.e30.',
      '..',
      'a.b.c',
      String(id_token),
      await signed(access_token, {}, { typ: 'logout+jwt' }),
      await signed(access_token, { iss: 'https://elsewhere.example' }),
      await signed(access_token, { exp: Math.floor(Date.now() / 1000) - 1 }),
      await signed(access_token, { exp: undefined }),
      await signed(access_token, { client_id: undefined }),
      await signed(access_token, { sub: 'another' }),
      await signed(access_token, { grant_id: undefined }),
      await signed(access_token, { grant_id: 'unknown' }),
      await signed(access_token, { session_id: 'unknown' }),
      await signed(access_token, { scope: 'shelves dust' }),
      await signed(access_token, { iat: 1 }),
    ];
    for (const text of texts)
      for (const caller of [api, client]) {
        const answer = await unchanged(server, () => post(server, '/oauth/introspect', caller, { token: text }));
        assert.deepEqual([answer.status, await answer.json()], [200, INACTIVE], text.slice(0, 200));
      }
    assert.equal(asked, 0);
    await new Promise((closed) => elsewhere.close(closed));
    assert.equal((await introspect(server, api, access_token))['active'], true);
  });

  it('is no revocation: the endpoint refuses it, because APIs that verify the JWT would not notice (RFC 7009 section 2.2.1)', async () => {
    const { access_token } = await tokenOf();
    for (const token of [access_token, await own()]) {
      const response = await unchanged(server, () => post(server, '/oauth/revoke', client, { token }));
      assert.deepEqual([response.status, ((await response.json()) as { error: string }).error], [400, 'unsupported_token_type']);
      assert.equal((await introspect(server, api, token))['active'], true);
    }
    assert.equal((await callApi(server, '/oauth/userinfo', access_token)).status, 401, 'nor does it open another API');
  });

  it("finds one signed with its API's algorithm, verified by the published keys, and the API accepts it by either check", async () => {
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/oauth/jwks`));
    const bearer = createBearer({ issuer: server.issuer, clientId: api.client_id, clientSecret: String(api.client_secret) });
    const open = async (middleware: Koa.Middleware, token: string) => {
      const app = new Koa().use(middleware).use((ctx) => {
        ctx.body = 'open';
      });
      const listener = app.listen(0, '127.0.0.1');
      await new Promise((listening) => listener.once('listening', listening));
      const response = await fetch(`http://127.0.0.1:${(listener.address() as AddressInfo).port}/`, {
        headers: { authorization: `Bearer ${token}` },
      });
      await response.text();
      await new Promise((closed) => listener.close(closed));
      return response.status;
    };
    const choices = ['RS256', 'PS256', 'ES256', 'EdDSA'].map((alg, n) => [alg, (['JWT', 'at+jwt'] as const)[n % 2]] as const);
    for (const [alg, typ] of choices) {
      await server.sql('update resource_server set jwt_algorithm = $2, jwt_type = $3 where identifier = $1', [API, alg, typ]);
      await eventually(`it signs with ${alg}`, async () => decodeProtectedHeader(await own()).alg === alg);
      const { access_token } = await tokenOf();
      assert.equal(decodeProtectedHeader(access_token).typ, typ);
      await jwtVerify(access_token, keys, { issuer: server.issuer, audience: API });
      assert.equal((await introspect(server, api, access_token))['active'], true, alg);
      assert.equal(await open(bearer.jwt({ audience: API, typ: typ as 'JWT', scope: 'shelves', user: true }), access_token), 200);
      assert.equal(await open(bearer.jwt({ audience: API, typ: typ === 'JWT' ? 'at+jwt' : 'JWT' }), access_token), 401);
      assert.equal(await open(bearer.opaque({ audience: API, scope: 'shelves', user: true }), access_token), 200);
      assert.equal(await open(bearer.opaque({ audience: API, user: true }), await own()), 403, 'a client is no person');
    }
    await assert.rejects(server.sql(`update resource_server set jwt_algorithm = 'none' where identifier = $1`, [API]), /check constraint/);
  });

  it('allows each algorithm for ID tokens too, and RS256 is the default', async () => {
    for (const alg of [undefined, 'PS256', 'ES256', 'EdDSA']) {
      const of = await server.createClient({ ...(alg && { id_token_signed_response_alg: alg }) });
      const { id_token } = await obtainTokens(server, of, person);
      assert.equal(decodeProtectedHeader(String(id_token)).alg, alg ?? 'RS256');
    }
    const metadata = (await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()) as Record<string, string[]>;
    assert.deepEqual(metadata['id_token_signing_alg_values_supported']?.toSorted(), ['ES256', 'EdDSA', 'PS256', 'RS256']);
  });

  it('relies on ids that are never both a client and an account: the second one is refused', async () => {
    await assert.rejects(server.createClient({ client_id: person.id }), /account/);
    const insert = `insert into user_account (id, email, username, name, updated_at) values ($1, 'twin@people.example', 'twin', 'Twin', now())`;
    await assert.rejects(server.sql(insert, [client.client_id]), /client/);
    assert.equal((await server.sql('select 1 from client where id = $1', [person.id])).length, 0);
  });

  it('finds it after a rotation of keys, and nothing that a replaced key signed', async () => {
    const { access_token } = await tokenOf();
    await rotateSigningKeys(server.database, keyRing);
    await server.sql('update signing_key set active_at = least(active_at, now()), retired_at = least(retired_at, now())');
    await eventually('another key signs', async () => decodeProtectedHeader(await own()).kid !== decodeProtectedHeader(access_token).kid);
    assert.equal((await introspect(server, api, access_token))['active'], true);
    await replaceSigningKeys(server.database, keyRing);
    await eventually('it is inactive', async () => (await introspect(server, api, access_token))['active'] === false);
  });

  it('shows it as inactive to a later API with the same identifier', async () => {
    const token = await own();
    await server.sql(`update resource_server set created_at = now() + interval '2 seconds' where identifier = $1`, [API]);
    await eventually('it is inactive', async () => (await introspect(server, api, token))['active'] === false);
    await server.sql('delete from resource_server where identifier = $1', [API]);
    assert.deepEqual(await introspect(server, client, token), INACTIVE, 'its own client hears the same');
  });
});
