import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { post } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const now = () => Math.floor(Date.now() / 1000);

/** The second valid ECDSA signature over the same content: s becomes n - s. */
function withOtherSignature(assertion: string): string {
  const [header, content, signature] = assertion.split('.');
  const bytes = Buffer.from(String(signature), 'base64url');
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  bytes.set(Buffer.from(s.toString(16).padStart(64, '0'), 'hex'), 32);
  return `${header}.${content}.${bytes.toString('base64url')}`;
}

/** The same RSA key, for signing with RS256. */
const asRs256 = async (key: CryptoKey) => (await importJWK({ ...(await exportJWK(key)), alg: 'RS256' })) as CryptoKey;

describe('Client assertion, private_key_jwt (RFC 7523 section 3)', () => {
  let server: TestServer;
  let clientId: string;
  let keys: { privateKey: CryptoKey; publicKey: CryptoKey };
  let publicJwk: JWK;
  before(async () => {
    server = await startTestServer();
    keys = await generateKeyPair('RS256', { extractable: true });
    publicJwk = { ...(await exportJWK(keys.publicKey)), kid: 'one' };
    ({ client_id: clientId } = await server.createClient({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [publicJwk] },
      scope: 'api',
    }));
  });
  after(() => server.close());

  const claims = (more: Record<string, unknown> = {}) => ({
    iss: clientId,
    sub: clientId,
    aud: server.issuer,
    jti: randomUUID(),
    iat: now(),
    exp: now() + 60,
    ...more,
  });
  const sign = (more: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key: CryptoKey | Uint8Array = keys.privateKey) =>
    new SignJWT(claims(more)).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(key);
  const ask = (client_assertion: string, more: Record<string, string> = {}, headers: Record<string, string> = {}) =>
    post(
      server,
      '/oauth/token',
      undefined,
      { grant_type: 'client_credentials', client_assertion_type: TYPE, client_assertion, ...more },
      headers,
    );
  const refused = async (assertion: string) => assertRefused(await unchanged(server, () => ask(assertion)), 401, 'invalid_client');

  it('is accepted once, if a registered key signed it and it is short-lived', async () => {
    const assertion = await sign();
    assert.equal((await ask(assertion)).status, 200);
    await assertRefused(await unchanged(server, () => ask(assertion)), 401, 'invalid_client');
    assert.equal(await countRows(server, 'token'), 1);
  });

  it('is accepted if it expires within an hour, with or without iat, and with any past iat', async () => {
    const taken = [
      { exp: now() + 3_600 },
      { exp: now() + 1_800.5 },
      { iat: undefined },
      { iat: now() - 86_400, exp: now() + 30 },
      { iat: 0 },
    ];
    for (const more of taken) assert.equal((await ask(await sign(more))).status, 200, JSON.stringify(more));
  });

  it('is refused if it lives too long, at any lifetime, and the answer says so', async () => {
    for (const exp of [now() + 3_660, 9e15, 1e300, Number.MAX_SAFE_INTEGER, 8.64e12 + 1]) {
      const response = await unchanged(server, async () => ask(await sign({ exp })));
      const { error, error_description } = (await response.json()) as Record<string, string>;
      assert.deepEqual([response.status, error], [401, 'invalid_client']);
      assert.match(String(error_description), /^client assertion: exp must be at most 3600 seconds ahead: it is [\de+.]+ seconds ahead$/);
    }
  });

  it('may have iat and nbf up to ten seconds ahead (FAPI 2.0 section 5.3.2.1)', async () => {
    for (const claim of ['iat', 'nbf']) {
      assert.equal((await ask(await sign({ [claim]: now() + 8 }))).status, 200, claim);
      await refused(await sign({ [claim]: now() + 40 }));
    }
  });

  it('is verified with one key: kid selects among several; a client has ten at most', async () => {
    const pairs = await Promise.all(Array.from({ length: 11 }, () => generateKeyPair('ES256', { extractable: true })));
    const all = await Promise.all(pairs.map(async ({ publicKey }, n) => ({ ...(await exportJWK(publicKey)), kid: `k${n}` })));
    const metadata = { ...METADATA, token_endpoint_auth_method: 'private_key_jwt', scope: 'api' };
    await assertRefused(
      await unchanged(server, () => askToRegister(server, { ...metadata, jwks: { keys: all } })),
      400,
      'invalid_client_metadata',
    );
    const { client_id } = await register(server, { ...metadata, jwks: { keys: all.slice(0, 10) } });
    const told = { iss: client_id, sub: client_id };
    const last = pairs[9]?.privateKey as CryptoKey;
    const refusal = await assertRefused(
      await unchanged(server, async () => ask(await sign(told, { alg: 'ES256', kid: undefined }, last))),
      401,
      'invalid_client',
    );
    assert.match(String(refusal['error_description']), /^client assertion: kid must name the key: more than one/);
    await assertRefused(
      await unchanged(server, async () => ask(await sign(told, { alg: 'ES256', kid: 'k0' }, last))),
      401,
      'invalid_client',
    );
    assert.equal((await ask(await sign(told, { alg: 'ES256', kid: 'k9' }, last))).status, 200);
    const old = await server.createClient({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: all } });
    const ours = { iss: old.client_id, sub: old.client_id };
    assert.equal((await ask(await sign(ours, { alg: 'ES256', kid: 'k9' }, last))).status, 200);
    const eleventh = pairs[10]?.privateKey as CryptoKey;
    await assertRefused(
      await unchanged(server, async () => ask(await sign(ours, { alg: 'ES256', kid: 'k10' }, eleventh))),
      401,
      'invalid_client',
    );
  });

  it('is accepted once without jti: the server remembers its content, so a second valid signature does not help', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const { client_id } = await server.createClient({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [await exportJWK(publicKey)] },
    });
    const told = { iss: client_id, sub: client_id, jti: undefined };
    const assertion = await sign(told, { alg: 'ES256', kid: undefined }, privateKey);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(assertion)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    await assertRefused(await unchanged(server, () => ask(withOtherSignature(assertion))), 401, 'invalid_client');
    assert.equal((await ask(await sign({ ...told, exp: now() + 61 }, { alg: 'ES256', kid: undefined }, privateKey))).status, 200);
    assert.equal((await ask(await sign({ ...told, jti: '', exp: now() + 62 }, { alg: 'ES256', kid: undefined }, privateKey))).status, 200);
  });

  it('is refused with a jti that is no text (RFC 7519 section 4.1.7)', async () => {
    for (const jti of [1, {}, [], null, true]) await refused(await sign({ jti }));
  });

  it('is accepted with each asymmetric algorithm and a matching key', async () => {
    for (const alg of ['RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']) {
      const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
      const { client_id } = await server.createClient({
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ ...(await exportJWK(publicKey)), use: 'sig' }] },
      });
      const told = { iss: client_id, sub: client_id };
      assert.equal((await ask(await sign(told, { alg, kid: undefined }, privateKey))).status, 200, alg);
    }
  });

  it('may name the issuer or the token endpoint, with or without a final slash, alone or in a list', async () => {
    const names = [server.issuer, `${server.issuer}/`, `${server.issuer}/oauth/token`, `${server.issuer}/oauth/token/`];
    for (const aud of [...names, names, ['https://elsewhere.example', server.issuer]])
      assert.equal((await ask(await sign({ aud }))).status, 200, String(aud));
    const pushed = { client_assertion: await sign({ aud: `${server.issuer}/oauth/revoke` }), client_assertion_type: TYPE, token: 'x' };
    assert.equal((await post(server, '/oauth/revoke', undefined, pushed)).status, 200, 'the endpoint that is called');
    await refused(await sign({ aud: `${server.issuer}/oauth/revoke` }));
  });

  it('of a FAPI client lives five minutes, names only the issuer, and uses an algorithm of the profile', async () => {
    const rsa = await generateKeyPair('PS256', { extractable: true });
    const { client_id } = await server.createClient({
      token_endpoint_auth_method: 'private_key_jwt',
      fapi_profile: '2.0',
      jwks: { keys: [await exportJWK(rsa.publicKey)] },
    });
    const signed = (more: Record<string, unknown> = {}) =>
      sign({ iss: client_id, sub: client_id, ...more }, { alg: 'PS256', kid: undefined }, rsa.privateKey);
    for (const more of [{}, { exp: now() + 300 }]) assert.equal((await ask(await signed(more))).status, 200);
    const wrong = [
      { exp: now() + 340 },
      { aud: [server.issuer] },
      { aud: `${server.issuer}/` },
      { aud: `${server.issuer}/oauth/token` },
      { aud: [server.issuer, 'https://elsewhere.example'] },
    ];
    for (const more of wrong) await refused(await signed(more));
    await refused(await sign({ iss: client_id, sub: client_id }, { alg: 'RS256', kid: undefined }, await asRs256(rsa.privateKey)));
  });

  it('with the FAPI profile is registered by a key, and the client is told what follows (RFC 7591 section 3.2.1)', async () => {
    const keyed = {
      ...METADATA,
      grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [publicJwk] },
    };
    const made = await register(server, { ...keyed, fapi_profile: '2.0' });
    assert.deepEqual(
      ['fapi_profile', 'require_pushed_authorization_requests', 'dpop_bound_access_tokens'].map((member) => made[member]),
      ['2.0', true, true],
    );
    assert.equal((await register(server, keyed))['fapi_profile'], undefined);
    const wrong = [
      { ...keyed, fapi_profile: '1.0 Final' },
      { ...keyed, fapi_profile: true },
      { ...METADATA, fapi_profile: '2.0' },
    ];
    for (const metadata of wrong)
      await unchanged(server, async () => assertRefused(await askToRegister(server, metadata), 400, 'invalid_client_metadata'));
  });

  it('gets an answer that explains a wrong claim; a wrong key gets only a failed authentication', async () => {
    const descriptionOf = async (assertion: string) =>
      ((await (await ask(assertion)).json()) as { error_description: string }).error_description;
    const theirs = await generateKeyPair('RS256');
    // The characters that RFC 6749 section 5.2 allows.
    const DESCRIPTION = /^client assertion: [a-z]+ must [\x20-\x21\x23-\x5b\x5d-\x7e]+$/;
    for (const [name, more] of Object.entries({
      exp: { exp: '1' },
      iat: { iat: now() + 99 },
      nbf: { nbf: 'x' },
      aud: { aud: 'a"\\é' },
      jti: { jti: 1 },
    }))
      assert.match(await descriptionOf(await sign(more)), DESCRIPTION, name);
    assert.match(
      await descriptionOf(await sign({}, { alg: 'HS256' }, new Uint8Array(64))),
      /^client assertion: alg must be RS256, .*: it is HS256$/,
    );
    assert.equal(await descriptionOf(await sign({}, {}, theirs.privateKey)), 'client authentication failed');
    assert.equal(await descriptionOf(await sign({ iss: 'nobody', sub: 'nobody' })), 'client authentication failed');
  });

  it('is refused if it has expired or never expires', async () => {
    for (const exp of [now() - 60, 0, -1, undefined, null, '9999999999', []]) await refused(await sign({ exp }));
  });

  it('is refused with an invalid or future iat', async () => {
    for (const iat of [null, '1', {}, now() + 3_600]) await refused(await sign({ iat }));
  });

  it('is refused before its nbf', async () => {
    await refused(await sign({ nbf: now() + 3_600 }));
  });

  it('is refused for another audience', async () => {
    for (const aud of ['https://elsewhere.example', `${server.issuer}.evil.example`, clientId, undefined, []])
      await refused(await sign({ aud }));
  });

  it('is refused about another client, or without an issuer, subject or identifier', async () => {
    const other = await server.createClient();
    for (const claim of [
      { iss: other.client_id },
      { sub: other.client_id },
      { iss: other.client_id, sub: other.client_id },
      { iss: undefined },
      { sub: undefined },
      { iss: 'nobody', sub: 'nobody' },
    ]) {
      const response = await unchanged(server, async () => ask(await sign(claim)));
      assert([400, 401].includes(response.status), `${JSON.stringify(claim)}: ${response.status}`);
    }
  });

  it('is refused without a signature', async () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    await refused(`${part({ alg: 'none' })}.${part(claims())}.`);
    await refused(`${part({ alg: 'none', kid: 'one' })}.${part(claims())}.AA`);
    const [header, , signature] = (await sign()).split('.');
    await refused(`${header}.${part(claims())}.${signature}`);
  });

  it('is refused if the public key signed it as a secret', async () => {
    const secrets = [await exportSPKI(keys.publicKey), JSON.stringify(publicJwk), String(publicJwk.n)];
    for (const alg of ['HS256', 'HS384', 'HS512'])
      for (const secret of secrets) await refused(await sign({}, { alg }, new TextEncoder().encode(secret.padEnd(64))));
  });

  it('is not verified with a key that it contains or points to', async () => {
    const theirs = await generateKeyPair('RS256', { extractable: true });
    const jwk = await exportJWK(theirs.publicKey);
    await refused(await sign({}, { jwk }, theirs.privateKey));
    await refused(await sign({}, { jwk, kid: undefined }, theirs.privateKey));
    await refused(await sign({}, { jku: 'https://evil.example/jwks', kid: 'two' }, theirs.privateKey));
    await refused(await sign({}, { x5u: 'https://evil.example/cert', kid: 'two' }, theirs.privateKey));
    await refused(await sign({}, {}, theirs.privateKey));
  });

  it('is refused together with a secret, whichever of them is right (RFC 6749 section 2.3)', async () => {
    const secret = await server.createClient();
    const basic = `Basic ${Buffer.from(`${secret.client_id}:${secret.client_secret}`).toString('base64')}`;
    await unchanged(server, async () => {
      await assertRefused(await ask(await sign(), { client_secret: 'anything' }), 400, 'invalid_request');
      await assertRefused(
        await ask(await sign(), { client_id: secret.client_id, client_secret: secret.client_secret }),
        400,
        'invalid_request',
      );
      await assertRefused(await ask(await sign(), {}, { authorization: basic }), 400, 'invalid_request');
      await assertRefused(
        await ask('e30.e30.', { client_id: secret.client_id, client_secret: secret.client_secret }),
        400,
        'invalid_request',
      );
    });
  });

  it('is the only method of a client that registered a key; a client with a secret cannot use it', async () => {
    const secret = await server.createClient({ jwks: { keys: [publicJwk] } });
    await refused(await sign({ iss: secret.client_id, sub: secret.client_id }));
    await unchanged(server, async () => {
      const response = await post(
        server,
        '/oauth/token',
        { client_id: clientId, client_secret: 'x', redirect_uri: '' },
        { grant_type: 'client_credentials' },
      );
      await assertRefused(response, 401, 'invalid_client');
    });
  });

  it('is refused if it is no JWT, or huge', async () => {
    for (const assertion of ['x', 'a.b', 'a.b.c', '..', 'e30.e30.e30', 'a.b.c.d.e', `${'a'.repeat(50_000)}.e30.e30`]) {
      const response = await unchanged(server, () => ask(assertion));
      assert([400, 401].includes(response.status), `${assertion.slice(0, 20)}: ${response.status}`);
    }
    const unknown = await unchanged(server, async () => ask(await sign(), { client_assertion_type: 'urn:made-up' }));
    await assertRefused(unknown, 400, 'invalid_request');
  });
});
