import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { prune } from '../../src/oauth/store/prune.ts';
import { createProofKey, type ProofKey } from '../support/dpop.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import {
  authorizePath,
  introspect,
  obtainCode,
  obtainTokens,
  pkce,
  post,
  redeem,
  refresh,
  type TestClient,
  type Tokens,
} from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, manage, register } from '../support/registration.ts';
import { setUses } from '../support/second-use.ts';
import { countRows, dumpTables, unchanged } from '../support/storage.ts';

type Credentials = { id: string; email: string; password: string };

describe('A refresh that is repeated (RFC 9700 section 4.14.2)', () => {
  let server: TestServer;
  let client: TestClient;
  let person: Credentials;
  before(async () => {
    server = await startTestServer();
    // Long enough for a slow machine.
    client = await server.createClient({ refresh_token_grace: 60 });
    person = await server.createPerson();
  });
  after(() => server.close());

  const answered = async (response: Response) => {
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body as Tokens;
  };
  const use = async (token: string | undefined, by = client, more: Record<string, string> = {}) =>
    answered(await refresh(server, by, String(token), more));
  const refused = async (token: string | undefined, by = client, more: Record<string, string> = {}) =>
    assertRefused(await refresh(server, by, String(token), more), 400, 'invalid_grant');
  const active = async (token: string | undefined, by = client) => (await introspect(server, by, String(token)))['active'];
  const createPublic = async (metadata = {}) =>
    ({
      ...(await server.createClient({ token_endpoint_auth_method: 'none', ...metadata })),
      client_secret: undefined,
    }) as unknown as TestClient;
  const unused = (by: TestClient) =>
    countRows(server, `token where kind = 'RefreshToken' and consumed_at is null and client_id = $1`, [by.client_id]);

  it('gets the same answer: the same tokens, an equal ID token, and the remaining expires_in', async () => {
    const grace = { refresh_token_grace: 60 };
    for (const by of [await server.createClient(grace), await createPublic(grace)]) {
      const { refresh_token } = await obtainTokens(server, by, person);
      const first = await use(refresh_token, by);
      const again = await unchanged(server, () => use(refresh_token, by));
      assert.deepEqual({ ...again, expires_in: 0 }, { ...first, expires_in: 0 });
      await setUses(server, 7);
      const later = await use(refresh_token, by);
      assert.deepEqual([later.access_token, later.refresh_token], [first.access_token, first.refresh_token]);
      assert.deepEqual(decodeJwt(String(later.id_token)), decodeJwt(String(first.id_token)));
      assert(
        later.expires_in <= first.expires_in - 7 && later.expires_in > first.expires_in - 60,
        `${later.expires_in} of ${first.expires_in}`,
      );
      assert.equal(await unused(by), 1, 'one branch');
      assert.equal((await use(first.refresh_token, by)).scope, first.scope);
    }
  });

  it('counts as a normal answer: JSON for a client that accepts pages, no error for owners, one more token for operators', async () => {
    const { refresh_token } = await obtainTokens(server, client, person);
    const first = await use(refresh_token);
    const logged = server.logLines().length;
    const form = { grant_type: 'refresh_token', refresh_token: String(refresh_token) };
    const response = await post(server, '/oauth/token', client, form, { accept: 'text/html, application/json;q=0.5' });
    assert.match(String(response.headers.get('content-type')), /^application\/json/);
    assert.match(String(response.headers.get('cache-control')), /no-store/);
    assert.equal((await answered(response)).access_token, first.access_token);
    const lines = server.logLines().slice(logged);
    assert(lines.some((line) => line.includes('"refresh_repeated"')));
    assert(!lines.some((line) => line.includes('grant.error')));
  });

  it('gets one answer for ten at once, although each uses up an assertion or proof', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const signing = await server.createClient({
      token_endpoint_auth_method: 'private_key_jwt',
      refresh_token_grace: 60,
      jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k' }] },
    });
    const bound = await createPublic({ dpop_bound_access_tokens: true, refresh_token_grace: 60 });
    const key = await createProofKey();
    const assertion = () =>
      new SignJWT({ jti: randomUUID(), iss: signing.client_id, sub: signing.client_id, aud: server.issuer })
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setIssuedAt()
        .setExpirationTime('2m')
        .sign(privateKey);
    const proven = async (form: Record<string, string>) =>
      post(server, '/oauth/token', undefined, {
        ...form,
        client_assertion: await assertion(),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      });
    const keyed = async (form: Record<string, string>) => post(server, '/oauth/token', bound, form, await key.proof(server));
    for (const [by, send] of [
      [signing, proven],
      [bound, keyed],
    ] as const) {
      const { person: _, ...code } = await obtainCode(server, by, person);
      const { refresh_token } = await answered(await send({ grant_type: 'authorization_code', ...code }));
      const form = { grant_type: 'refresh_token', refresh_token: String(refresh_token) };
      const answers = await Promise.all(Array.from({ length: 10 }, async () => answered(await send(form))));
      assert.equal(new Set(answers.map(({ access_token, refresh_token }) => `${access_token} ${refresh_token}`)).size, 1);
      assert.equal(await unused(by), 1, 'one branch');
      assert.equal(await countRows(server, `token where kind = 'AccessToken' and client_id = $1`, [by.client_id]), 2);
    }
  });

  it('is stored so that the database alone cannot decrypt it, during the window, and then deleted', async () => {
    const { refresh_token } = await obtainTokens(server, client, person);
    const next = await use(refresh_token);
    const dump = JSON.stringify(await dumpTables(server));
    for (const secret of [refresh_token, next.access_token, next.refresh_token, next.id_token]) assert(!dump.includes(String(secret)));
    const kept = `protocol_record where kind = 'TokenResponse'`;
    const [row] = await server.sql(`select extract(epoch from max(expires_at) - now())::float as life from ${kept}`);
    assert(Number(row?.['life']) > 0 && Number(row?.['life']) <= 60);
    await server.sql(`update protocol_record set expires_at = now() where kind = 'TokenResponse'`);
    await prune(server.database);
    assert.equal(await countRows(server, kept), 0);
    await refused(refresh_token);
  });

  describe('is refused without harm to the new token,', () => {
    it('by another client, or without the secret', async () => {
      const { refresh_token } = await obtainTokens(server, client, person);
      const next = await use(refresh_token);
      for (const other of [await server.createClient(), await createPublic()]) await unchanged(server, () => refused(refresh_token, other));
      await unchanged(server, async () => {
        const wrong = await refresh(server, { ...client, client_secret: 'guess' }, String(refresh_token));
        await assertRefused(wrong, 401, 'invalid_client');
      });
      await use(next.refresh_token);
    });

    it('with another scope or resource: this is a different request, and the description says so', async () => {
      const { refresh_token } = await obtainTokens(server, client, person);
      const next = await use(refresh_token);
      for (const more of [{ scope: 'openid' }, { resource: `${server.issuer}/api/posts` }] as Record<string, string>[]) {
        const { error_description } = await unchanged(server, () => refused(refresh_token, client, more));
        assert.match(String(error_description), /another scope, resource or DPoP key/);
      }
      assert.equal(
        (await use(refresh_token, client, { scope: 'profile openid' })).access_token,
        next.access_token,
        'all that was granted is no other scope',
      );
      await unchanged(server, async () =>
        assertRefused(await refresh(server, client, String(refresh_token), { scope: 'openid email' }), 400, 'invalid_scope'),
      );
      await use(next.refresh_token);
    });

    it('with another DPoP key, or without one', async () => {
      const [key, other] = [await createProofKey(), await createProofKey()];
      for (const by of [await server.createClient({ refresh_token_grace: 60 }), await createPublic({ refresh_token_grace: 60 })]) {
        const send = async (token: string | undefined, proof?: ProofKey) =>
          post(server, '/oauth/token', by, { grant_type: 'refresh_token', refresh_token: String(token) }, await proof?.proof(server));
        const { person: _, ...code } = await obtainCode(server, by, person);
        const tokens = await answered(
          await post(server, '/oauth/token', by, { grant_type: 'authorization_code', ...code }, await key.proof(server)),
        );
        const next = await answered(await send(tokens.refresh_token, key));
        const proofs = ['protocol_record'];
        for (const wrong of [other, undefined])
          await unchanged(server, async () => assertRefused(await send(tokens.refresh_token, wrong), 400, 'invalid_grant'), proofs);
        const again = await answered(await send(tokens.refresh_token, key));
        assert.deepEqual([again.access_token, again.token_type], [next.access_token, 'DPoP']);
        const replayed = await key.proof(server);
        const form = { grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) };
        assert.equal((await post(server, '/oauth/token', by, form, replayed)).status, 200);
        await assertRefused(await post(server, '/oauth/token', by, form, replayed), 400, 'invalid_grant');
        await answered(await send(next.refresh_token, key));
      }
    });
  });

  describe('is refused and gives nothing', () => {
    const endings: [string, (tokens: Tokens, owner: Credentials, by: TestClient) => Promise<unknown>][] = [
      ['once the successor was revoked', (next, _, by) => post(server, '/oauth/revoke', by, { token: String(next.refresh_token) })],
      ['once the grant has ended', (_, { id }) => server.sql('delete from grant_record where account_id = $1', [id])],
      ['once the grant has expired', (_, { id }) => server.sql('update grant_record set expires_at = now() where account_id = $1', [id])],
      ['once the session has ended', (_, { id }) => server.sql('delete from session where account_id = $1', [id])],
      ['once its person is disabled', (_, { id }) => server.sql('update user_account set disabled_at = now() where id = $1', [id])],
    ];
    for (const [when, end] of endings)
      it(when, async () => {
        const [by, owner] = [await server.createClient({ refresh_token_grace: 60 }), await server.createPerson()];
        const { refresh_token } = await obtainTokens(server, by, owner);
        const next = await use(refresh_token, by);
        await end(next, owner, by);
        await refused(refresh_token, by);
        await refused(next.refresh_token, by);
      });
  });

  describe('is a replay, which ends only the family of that sign-in,', () => {
    /** One user at two devices, with one client. */
    async function twoDevices(by: TestClient, scope = 'openid profile') {
      const owner = await server.createPerson();
      const here = await obtainTokens(server, by, owner, { scope });
      return { owner, here, there: await obtainTokens(server, by, owner, { scope }) };
    }
    async function assertOnlyHereEnded(
      by: TestClient,
      { here, there }: Awaited<ReturnType<typeof twoDevices>>,
      ...ended: (string | undefined)[]
    ) {
      for (const token of [here.access_token, here.refresh_token, ...ended]) assert.equal(await active(token, by), false);
      assert.equal(await active(there.access_token, by), true);
      await use(there.refresh_token, by);
      const { code_verifier, ...challenge } = pkce();
      const silent = await here.person.open(authorizePath(by, { ...challenge, prompt: 'none' }));
      const code = String(silent.url.searchParams.get('code'));
      const redeemed = await redeem(server, by, { code, code_verifier, redirect_uri: by.redirect_uri });
      assert.equal(redeemed.status, 200, 'what was allowed stays');
    }

    it('after the window, which the client chooses', async () => {
      for (const [refresh_token_grace, inside, outside] of [[undefined, 3, 11] as const, [60, 50, 61] as const]) {
        const by = await server.createClient({ refresh_token_grace });
        const devices = await twoDevices(by);
        const next = await use(devices.here.refresh_token, by);
        await setUses(server, inside);
        assert.equal((await use(devices.here.refresh_token, by)).access_token, next.access_token);
        await setUses(server, outside);
        await refused(devices.here.refresh_token, by);
        await assertOnlyHereEnded(by, devices, next.access_token, next.refresh_token);
      }
    });

    it('at once for a client without a window', async () => {
      for (const by of [await server.createClient({ refresh_token_grace: 0 }), await createPublic({ refresh_token_grace: 0 })]) {
        const { here } = await twoDevices(by);
        const next = await use(here.refresh_token, by);
        assert.equal(await countRows(server, `protocol_record where kind = 'TokenResponse' and client_id = $1`, [by.client_id]), 0);
        await refused(here.refresh_token, by);
        await refused(next.refresh_token, by);
        assert.equal(await unused(by), 1, 'the other device');
      }
    });

    it('of an older generation, within the same second', async () => {
      const by = await server.createClient();
      const devices = await twoDevices(by);
      const second = await use(devices.here.refresh_token, by);
      const third = await use(second.refresh_token, by);
      await refused(devices.here.refresh_token, by);
      await assertOnlyHereEnded(by, devices, second.access_token, third.access_token, third.refresh_token);
      await refused(second.refresh_token, by);
    });

    it('on a server that was started after the first use', async () => {
      const by = await server.createClient({ refresh_token_grace: 60 });
      const devices = await twoDevices(by);
      const next = await use(devices.here.refresh_token, by);
      const other = await server.secondNode();
      try {
        assert.equal((await answered(await refresh(other, by, String(devices.here.refresh_token)))).access_token, next.access_token);
        await setUses(server, 61);
        await assertRefused(await refresh(other, by, String(devices.here.refresh_token)), 400, 'invalid_grant');
      } finally {
        await other.close();
      }
      await assertOnlyHereEnded(by, devices, next.access_token, next.refresh_token);
    });

    it('and ends tokens from before families together with those of their session', async () => {
      const by = await server.createClient();
      const devices = await twoDevices(by);
      await server.sql(`update token set payload = payload - 'lineage'`);
      const next = await use(devices.here.refresh_token, by);
      await setUses(server, 11);
      await refused(devices.here.refresh_token, by);
      await assertOnlyHereEnded(by, devices, next.access_token, next.refresh_token);
    });
  });
});

describe('Refresh tokens without rotation', () => {
  let server: TestServer;
  let person: Credentials;
  before(async () => {
    server = await startTestServer();
    person = await server.createPerson();
  });
  after(() => server.close());

  const use = async (by: TestClient, token: string | undefined, headers?: Record<string, string>) => {
    const response = await post(server, '/oauth/token', by, { grant_type: 'refresh_token', refresh_token: String(token) }, headers);
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body as Tokens;
  };

  it('are reused by a client that authenticates or binds its tokens, and live 14 days from their last use', async () => {
    const authenticated = await server.createClient({ refresh_token_rotation: false });
    const { client_secret: _, ...bound } = await server.createClient({
      token_endpoint_auth_method: 'none',
      dpop_bound_access_tokens: true,
      refresh_token_rotation: false,
    });
    const key = await createProofKey();
    for (const [by, headers] of [
      [authenticated, async () => undefined],
      [bound, () => key.proof(server)],
    ] as const) {
      const { person: _, ...code } = await obtainCode(server, by, person);
      const first = await post(server, '/oauth/token', by, { grant_type: 'authorization_code', ...code }, await headers());
      const { refresh_token, access_token } = (await first.json()) as Tokens;
      const days = async () =>
        (
          await server.sql(
            `select extract(epoch from expires_at - now())::float / 86400 as days from token where kind = 'RefreshToken' and client_id = $1`,
            [by.client_id],
          )
        ).map(({ days }) => Number(days));
      await server.sql(`update token set expires_at = now() + interval '1 day' where kind = 'RefreshToken' and client_id = $1`, [
        by.client_id,
      ]);
      const answers = [await use(by, refresh_token, await headers()), await use(by, refresh_token, await headers())];
      assert.deepEqual(new Set(answers.map((answer) => answer.refresh_token)), new Set([refresh_token]));
      assert.equal(new Set([access_token, ...answers.map((answer) => answer.access_token)]).size, 3);
      const left = await days();
      assert(left.length === 1 && Number(left[0]) > 13.9 && Number(left[0]) <= 14, String(left));
    }
  });

  it('end by revocation, with all tokens that came from them', async () => {
    const by = await server.createClient({ refresh_token_rotation: false });
    const tokens = await obtainTokens(server, by, person);
    const next = await use(by, tokens.refresh_token);
    assert.equal((await post(server, '/oauth/revoke', by, { token: String(tokens.refresh_token) })).status, 200);
    for (const token of [tokens.access_token, next.access_token]) assert.equal((await introspect(server, by, token))['active'], false);
    await assertRefused(await refresh(server, by, String(tokens.refresh_token)), 400, 'invalid_grant');
  });

  it('are refused to a plain public client, even if its stored metadata says otherwise', async () => {
    const { client_secret: _, ...by } = await server.createClient({ token_endpoint_auth_method: 'none', refresh_token_rotation: false });
    const { refresh_token } = await obtainTokens(server, by, person);
    assert.notEqual((await use(by, refresh_token)).refresh_token, refresh_token);
  });

  it('and the window are chosen at registration; an invalid value is named and changes nothing', async () => {
    const made = await register(server, { refresh_token_grace: 30, refresh_token_rotation: false });
    assert.deepEqual([made['refresh_token_grace'], made['refresh_token_rotation']], [30, false]);
    const keyless = { token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] };
    await register(server, { ...keyless, refresh_token_grace: 0, refresh_token_rotation: true });
    await register(server, { ...keyless, refresh_token_rotation: false, dpop_bound_access_tokens: true });
    const wrong: [Record<string, unknown>, RegExp][] = [
      ...[-1, 61, 1.5, '10', true, [10], {}].map((refresh_token_grace): [Record<string, unknown>, RegExp] => [
        { refresh_token_grace },
        /refresh_token_grace must be a whole number of seconds from 0 to 60/,
      ]),
      ...['false', 0, {}].map((refresh_token_rotation): [Record<string, unknown>, RegExp] => [
        { refresh_token_rotation },
        /refresh_token_rotation must be true or false/,
      ]),
      [{ ...keyless, refresh_token_rotation: false }, /refresh_token_rotation can be false only/],
    ];
    for (const [metadata, description] of wrong) {
      const ask = () => askToRegister(server, { redirect_uris: ['https://walk.example/cb'], ...metadata });
      const { error_description } = await assertRefused(await unchanged(server, ask, ['rate_limit']), 400, 'invalid_client_metadata');
      assert.match(String(error_description), description);
    }
    const update = { redirect_uris: ['https://walk.example/cb'], ...keyless, refresh_token_rotation: false, client_id: made.client_id };
    const updated = await unchanged(server, () => manage(server, made, 'PUT', update));
    assert.equal(updated.status, 400);
  });
});
