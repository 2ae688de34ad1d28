import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { post } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { countRows, unchanged } from '../support/storage.ts';

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const now = () => Math.floor(Date.now() / 1000);

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

  it('a short-lived one that the registered key signed is accepted, once', async () => {
    const assertion = await sign();
    assert.equal((await ask(assertion)).status, 200);
    await assertRefused(await unchanged(server, () => ask(assertion)), 401, 'invalid_client');
    assert.equal(await countRows(server, 'token'), 1);
  });

  it('one that lives too long is refused, however far it reaches', async () => {
    for (const exp of [now() + 3_600, 9e15, 1e300, Number.MAX_SAFE_INTEGER, 8.64e12 + 1]) await refused(await sign({ exp }));
  });

  it('one that has expired, or never expires, is refused', async () => {
    for (const exp of [now() - 60, 0, -1, undefined, null, '9999999999', []]) await refused(await sign({ exp }));
  });

  it('one that does not say when it was made, or says that it will be, is refused', async () => {
    for (const iat of [undefined, null, '1', {}, now() + 3_600]) await refused(await sign({ iat }));
  });

  it('one that is not yet valid is refused', async () => {
    await refused(await sign({ nbf: now() + 3_600 }));
  });

  it('one for somebody else is refused', async () => {
    for (const aud of ['https://elsewhere.example', `${server.issuer}.evil.example`, clientId, undefined, []])
      await refused(await sign({ aud }));
  });

  it('one about another client, or without an issuer, subject or identifier, is refused', async () => {
    const other = await server.createClient();
    for (const claim of [
      { iss: other.client_id },
      { sub: other.client_id },
      { iss: other.client_id, sub: other.client_id },
      { iss: undefined },
      { sub: undefined },
      { jti: undefined },
      { iss: 'nobody', sub: 'nobody' },
    ]) {
      const response = await unchanged(server, async () => ask(await sign(claim)));
      assert([400, 401].includes(response.status), `${JSON.stringify(claim)}: ${response.status}`);
    }
  });

  it('one that nobody signed is refused', async () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    await refused(`${part({ alg: 'none' })}.${part(claims())}.`);
    await refused(`${part({ alg: 'none', kid: 'one' })}.${part(claims())}.AA`);
    const [header, , signature] = (await sign()).split('.');
    await refused(`${header}.${part(claims())}.${signature}`);
  });

  it('one signed with the public key as if it were a secret is refused', async () => {
    const secrets = [await exportSPKI(keys.publicKey), JSON.stringify(publicJwk), String(publicJwk.n)];
    for (const alg of ['HS256', 'HS384', 'HS512'])
      for (const secret of secrets) await refused(await sign({}, { alg }, new TextEncoder().encode(secret.padEnd(64))));
  });

  it('a key that the assertion brings along or points to is not believed', async () => {
    const theirs = await generateKeyPair('RS256', { extractable: true });
    const jwk = await exportJWK(theirs.publicKey);
    await refused(await sign({}, { jwk }, theirs.privateKey));
    await refused(await sign({}, { jwk, kid: undefined }, theirs.privateKey));
    await refused(await sign({}, { jku: 'https://evil.example/jwks', kid: 'two' }, theirs.privateKey));
    await refused(await sign({}, { x5u: 'https://evil.example/cert', kid: 'two' }, theirs.privateKey));
    await refused(await sign({}, {}, theirs.privateKey));
  });

  it('an assertion and a secret together are refused, whichever of them is right (RFC 6749 section 2.3)', async () => {
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

  it('a client that registered a key cannot use a secret, and one that registered a secret no key', async () => {
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

  it('what is no JWT is refused, and so is a giant one', async () => {
    for (const assertion of ['x', 'a.b', 'a.b.c', '..', 'e30.e30.e30', 'a.b.c.d.e', `${'a'.repeat(50_000)}.e30.e30`]) {
      const response = await unchanged(server, () => ask(assertion));
      assert([400, 401].includes(response.status), `${assertion.slice(0, 20)}: ${response.status}`);
    }
    const unknown = await unchanged(server, async () => ask(await sign(), { client_assertion_type: 'urn:made-up' }));
    await assertRefused(unknown, 400, 'invalid_request');
  });
});
