import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createLocalJWKSet, exportPKCS8, exportSPKI, generateKeyPair, importSPKI, type JSONWebKeySet, jwtVerify } from 'jose';
import { newPrivateKey } from '../../src/features/federation/administration.ts';
import { saveProvider } from '../../src/features/federation/providers.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { openAccount } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { proveEveryMailbox } from '../support/factors.ts';
import { countRows } from '../support/storage.ts';
import { startUpstream, type TestUpstream } from '../support/upstream.ts';
import { linkByPage } from '../support/upstream-link.ts';

describe("This server's authentication at a provider", () => {
  let server: TestServer;
  let upstream: TestUpstream;
  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    await proveEveryMailbox(server);
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });
  beforeEach(() => {
    upstream.asked.length = 0;
  });

  const redemption = () => {
    const asked = upstream.asked.find(({ path }) => path === '/token');
    assert(asked);
    return asked;
  };

  async function linkBy(id: string, clientAuthMethod: string, credentials?: string) {
    await saveProvider(server.database, new KeyRing(server.config.dataEncryptionKeys), {
      id,
      name: id,
      settings: { issuer: upstream.issuer, clientId: 'we & co', clientAuthMethod, privateNetwork: true },
      ...(credentials === undefined ? undefined : { credentials }),
      services: [],
    });
    upstream.person = { ...upstream.person, sub: id };
    const person = await server.createPerson();
    const page = await linkByPage(await openAccount(server, person, '/account/links'), id);
    return { page, linked: await countRows(server, 'upstream_identity where account_id = $1', [person.id]) };
  }

  it('uses a secret, in the header or in the form, or only PKCE', async () => {
    assert.equal((await linkBy('basic', 'client_secret_basic', 's3cret: %')).linked, 1);
    // Both are form-encoded first (RFC 6749 section 2.3.1).
    const [user, password] = Buffer.from(String(redemption().headers.authorization).slice('Basic '.length), 'base64').toString().split(':');
    assert.deepEqual(
      [user, password].map((part) => new URLSearchParams(`x=${part}`).get('x')),
      ['we & co', 's3cret: %'],
    );
    upstream.asked.length = 0;
    assert.equal((await linkBy('post', 'client_secret_post', 's3cret')).linked, 1);
    assert.equal(redemption().parameters.get('client_secret'), 's3cret');
    assert.equal(redemption().headers.authorization, undefined);
    upstream.asked.length = 0;
    assert.equal((await linkBy('public', 'none')).linked, 1);
    assert.deepEqual([redemption().parameters.get('client_id'), redemption().parameters.get('client_secret')], ['we & co', null]);
    assert.match(String(redemption().parameters.get('code_verifier')), /^[\w-]{43,}$/);
  });

  it('uses a signature of a key that it publishes for this provider only (private_key_jwt, RFC 7523)', async () => {
    assert.equal((await linkBy('by-key', 'private_key_jwt', await newPrivateKey())).linked, 1);
    const { parameters } = redemption();
    assert.equal(parameters.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    const jwks = (await (await fetch(`${server.issuer}/upstream/by-key/jwks`)).json()) as JSONWebKeySet;
    const { payload } = await jwtVerify(String(parameters.get('client_assertion')), createLocalJWKSet(jwks), {
      issuer: 'we & co',
      subject: 'we & co',
      audience: upstream.issuer,
    });
    assert(payload.jti);
  });

  it("uses a secret that is a JWT, as Apple requires: new for each request, short-lived, signed by the team's key", async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const credentials = { teamId: 'TEAM123456', keyId: 'KEY1234567', privateKey: await exportPKCS8(privateKey) };
    assert.equal((await linkBy('fruit', 'apple', JSON.stringify(credentials))).linked, 1);
    const { parameters, headers } = redemption();
    assert.equal(headers.authorization, undefined);
    assert.equal(parameters.get('client_id'), 'we & co');
    const key = await importSPKI(await exportSPKI(publicKey), 'ES256');
    const { payload, protectedHeader } = await jwtVerify(String(parameters.get('client_secret')), key, {
      issuer: 'TEAM123456',
      subject: 'we & co',
      audience: 'https://appleid.apple.com',
      algorithms: ['ES256'],
    });
    assert.deepEqual([protectedHeader.kid, Number(payload.exp) - Number(payload.iat)], ['KEY1234567', 300]);
  });

  it('links nothing with a key that cannot sign, and says so in a sentence', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    const nonsense = '-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----';
    for (const privateKey of [rsa, nonsense]) {
      const { page, linked } = await linkBy('unreadable', 'apple', JSON.stringify({ teamId: 'T', keyId: 'K', privateKey }));
      assert.equal(linked, 0);
      assert.equal(page.url.search, '?problem=untrustworthy');
    }
  });
});
