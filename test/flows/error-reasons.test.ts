import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it, mock } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { causeOf } from '../../src/features/developer/errors/error-causes.ts';
import { CLAIMS, CODES, type Reason, SENTENCES } from '../../src/oauth/answers/reasons.ts';
import type { ClientMetadata } from '../../src/oauth/clients/store.ts';
import { approveDevice, beginDevice, createDeviceClient, poll } from '../support/device.ts';
import { createProofKey, type ProofKey } from '../support/dpop.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, type Credentials, obtainCode, pkce, post, redeem, refresh, type TestClient } from '../support/flow.ts';
import { unchanged } from '../support/storage.ts';

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const OFFLINE = { scope: 'openid offline_access', prompt: 'consent' };
const now = () => Math.floor(Date.now() / 1000);

/**
 * A request for each sentence, code and claim of src/oauth/answers/reasons.ts, and for each description in error-causes.ts. An upgrade of the
 * library that changes one of them fails here.
 */
describe('The reason of an error, as the owners of its client read it', () => {
  let server: TestServer;
  let person: Credentials;
  let client: TestClient;
  let publicClient: TestClient;
  let keyed: TestClient;
  let keys: { privateKey: CryptoKey; publicKey: CryptoKey };
  let jwk: JWK;
  let proofKey: ProofKey;
  const byKey = (jwks: JWK[]): Partial<ClientMetadata> => ({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: jwks } });
  before(async () => {
    server = await startTestServer();
    person = await server.createPerson();
    keys = await generateKeyPair('ES256', { extractable: true });
    jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one' };
    proofKey = await createProofKey();
    client = await server.createClient();
    publicClient = withoutSecret(
      await server.createClient({ token_endpoint_auth_method: 'none', client_secret: undefined, application_type: 'native' }),
    );
    keyed = await server.createClient(byKey([jwk]));
  });
  after(() => server.close());

  const withoutSecret = ({ client_secret: _, ...rest }: TestClient): TestClient => rest;
  const code = (of = client, more: Record<string, string> = {}) => obtainCode(server, of, person, more);
  const tokens = async (of = client, more: Record<string, string> = {}, headers?: Record<string, string>) => {
    const { code_verifier, ...rest } = await code(of, { ...OFFLINE, ...more });
    const body = { grant_type: 'authorization_code', code: rest.code, redirect_uri: rest.redirect_uri, code_verifier };
    const { refresh_token } = (await (await post(server, '/oauth/token', of, body, headers)).json()) as { refresh_token?: string };
    return String(refresh_token);
  };
  const ask = (of: TestClient, body: Record<string, string>, headers?: Record<string, string>) =>
    post(server, '/oauth/token', of, body, headers);
  const forItself = { grant_type: 'client_credentials' };

  /** The server's clock is ahead of the database's, which still has what the library takes for expired. */
  async function ahead(seconds: number, request: () => Promise<Response>): Promise<Response> {
    const moved = Date.now() + seconds * 1000;
    const clock = mock.method(Date, 'now', () => moved);
    try {
      return await request();
    } finally {
      clock.mock.restore();
    }
  }
  const expireIn = (table: string, where: string) =>
    server.sql(`update ${table} set expires_at = now() + interval '30 seconds' where ${where}`);

  async function assertion(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key = keys.privateKey, of = keyed) {
    const told = { iss: of.client_id, sub: of.client_id, aud: server.issuer, jti: randomUUID(), exp: now() + 60, ...claims };
    return new SignJWT(told).setProtectedHeader({ alg: 'ES256', kid: 'one', ...header }).sign(key);
  }
  const sendAssertion = (client_assertion: string) =>
    post(server, '/oauth/token', undefined, { ...forItself, client_assertion_type: TYPE, client_assertion });

  /** @returns the cause that the owner reads, and what was stored of the error. */
  async function noted(response: Response) {
    const id = response.headers.get('x-request-id');
    let row: Record<string, unknown> | undefined;
    await eventually('the error is noted', async () => {
      [row] = await server.sql('select error, description, detail from client_error where request_id = $1', [id]);
      return row !== undefined;
    });
    return { row: row as never as Parameters<typeof causeOf>[0], cause: causeOf(row as never) };
  }
  async function assertReason(request: () => Promise<Response>, reason: Reason, about: string) {
    const response = await request();
    assert(response.status >= 400, `${about}: ${response.status}`);
    const { row, cause } = await noted(response);
    assert.deepEqual([row.detail['reason'], cause], [reason, reason], about);
  }

  it('has a name for each sentence of the library', async () => {
    const requests: Record<keyof typeof SENTENCES, () => Promise<Response>> = {
      'invalid secret provided': () => ask({ ...client, client_secret: 'wrong-secret' }, forItself),
      'the provided authentication mechanism does not match the registered client authentication method': () =>
        ask(withoutSecret(client), forItself),
      'client assertion tokens must only be used once': async () => {
        const once = await assertion();
        assert.equal((await sendAssertion(once)).status, 200);
        return sendAssertion(once);
      },
      'authorization code not found': async () => redeem(server, client, { ...(await code()), code: 'x'.repeat(43) }),
      'authorization code is expired': async () => {
        const late = await code();
        return ahead(61, () => redeem(server, client, late));
      },
      'authorization code already consumed': async () => {
        const once = await code();
        assert.equal((await redeem(server, client, once)).status, 200);
        return redeem(server, client, once);
      },
      'authorization code redirect_uri mismatch': async () =>
        redeem(server, client, { ...(await code()), redirect_uri: 'https://client.example/other' }),
      'code_verifier must be provided': async () => {
        const { code: given, redirect_uri } = await code();
        return ask(client, { grant_type: 'authorization_code', code: given, redirect_uri });
      },
      'code_verifier does not match code_challenge': async () =>
        redeem(server, client, { ...(await code()), code_verifier: pkce().code_verifier }),
      'refresh token not found': () => refresh(server, client, 'x'.repeat(43)),
      'refresh token is expired': async () => {
        const token = await tokens();
        await expireIn('token', `kind = 'RefreshToken' and consumed_at is null`);
        return ahead(31, () => refresh(server, client, token));
      },
      'refresh token already used': async () => {
        const token = await tokens();
        assert.equal((await refresh(server, client, token)).status, 200);
        await server.sql(
          `update token set consumed_at = now() - interval '1 hour' where kind = 'RefreshToken' and consumed_at is not null`,
        );
        return refresh(server, client, token);
      },
      'client mismatch': async () => redeem(server, publicClient, await code()),
      'grant not found': async () => {
        const orphan = await code();
        await server.sql('update grant_record set expires_at = now()');
        return redeem(server, client, orphan);
      },
      'grant is expired': async () => {
        const late = await code();
        await expireIn('grant_record', 'expires_at > now()');
        return ahead(31, () => redeem(server, client, late));
      },
      'device code not found': async () => poll(server, await createDeviceClient(server), 'x'.repeat(43)),
      'device code already consumed': async () => {
        const device = await createDeviceClient(server);
        const { device_code, user_code } = await beginDevice(server, device);
        await approveDevice(server, user_code, person);
        assert.equal((await poll(server, device, device_code)).status, 200);
        return poll(server, device, device_code);
      },
      'DPoP proof JWT not provided': async () => {
        const bound = await server.createClient({ dpop_bound_access_tokens: true });
        return redeem(server, bound, await code(bound));
      },
      'missing DPoP proof JWT': async () => redeem(server, client, await code(client, { dpop_jkt: proofKey.thumbprint })),
      'DPoP proof key thumbprint does not match dpop_jkt': async () => {
        const { person: _, ...bound } = await code(client, { dpop_jkt: proofKey.thumbprint });
        const other = await (await createProofKey()).proof(server);
        return ask(client, { grant_type: 'authorization_code', ...bound }, other);
      },
      'failed jkt verification': async () => {
        const refresh_token = await tokens(publicClient, {}, await proofKey.proof(server));
        return ask(publicClient, { grant_type: 'refresh_token', refresh_token }, await (await createProofKey()).proof(server));
      },
      'DPoP proof JWT Replay detected': async () => {
        const proof = await proofKey.proof(server);
        assert.equal((await ask(client, forItself, proof)).status, 200);
        return ask(client, forItself, proof);
      },
    };
    for (const [sentence, request] of Object.entries(requests))
      await assertReason(request, SENTENCES[sentence as keyof typeof SENTENCES], sentence);
  });

  it('has a name for each code of what caused it', async () => {
    const other = await generateKeyPair('ES256');
    // The address answers nothing that is a key set: no site has this name.
    const elsewhere = { ...byKey([]), jwks: undefined, jwks_uri: 'https://keys.client.invalid/jwks' };
    const unread = await server.createClient(elsewhere);
    const requests: Record<keyof typeof CODES, () => Promise<Response>> = {
      ERR_JWS_SIGNATURE_VERIFICATION_FAILED: async () => sendAssertion(await assertion({}, {}, other.privateKey)),
      ERR_JWKS_NO_MATCHING_KEY: async () => sendAssertion(await assertion({}, { kid: 'two' })),
      invalid_client_metadata: async () => sendAssertion(await assertion({}, {}, keys.privateKey, unread)),
    };
    for (const [code, request] of Object.entries(requests)) await assertReason(request, CODES[code as keyof typeof CODES], code);
  });

  it('has a name for each claim of a client assertion, and wrong ones change nothing', async () => {
    const twin = await exportJWK((await generateKeyPair('ES256')).publicKey);
    const several = await server.createClient(byKey([jwk, { ...twin, kid: 'two' }]));
    const signed = async () => (await assertion()).split('.');
    const requests: Record<keyof typeof CLAIMS, () => Promise<string>> = {
      client_assertion: async () => `x.${(await signed())[1]}.x`,
      alg: async () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await signed())[1]}.x`,
      kid: () => assertion({}, { kid: undefined }, keys.privateKey, several),
      iss: () => assertion({ iss: 'somebody' }),
      aud: () => assertion({ aud: 'https://elsewhere.example' }),
      exp: () => assertion({ exp: now() - 60 }),
      iat: () => assertion({ iat: now() + 300 }),
      nbf: () => assertion({ nbf: now() + 300 }),
      jti: () => assertion({ jti: 7 }),
    };
    for (const [claim, made] of Object.entries(requests)) {
      const wrong = await made();
      await assertReason(() => sendAssertion(wrong), CLAIMS[claim as keyof typeof CLAIMS], claim);
    }
    const late = await assertion({ exp: now() - 60 });
    await unchanged(server, () => sendAssertion(late));
  });

  it('is found by the description of an error that has no reason', async () => {
    const push = (more: Record<string, string>) =>
      post(server, '/oauth/par', client, {
        client_id: client.client_id,
        response_type: 'code',
        redirect_uri: client.redirect_uri,
        ...more,
      });
    const { code_verifier: _, ...challenge } = pkce();
    const requests: [string, () => Promise<Response>][] = [
      ['pkce_missing', () => fetch(server.issuer + authorizePath(publicClient), { redirect: 'manual' })],
      ['pkce_method', () => push({ ...challenge, code_challenge_method: 'plain' })],
      ['pkce_format', () => push({ ...challenge, code_challenge: 'short' })],
      ['twice', () => fetch(server.issuer + authorizePath(client, { ...challenge, scope: ['openid', 'openid'] }), { redirect: 'manual' })],
      ['missing', () => ask(client, { grant_type: 'refresh_token' })],
      ['grant_not_allowed', async () => ask(await server.createClient({ grant_types: ['authorization_code'] }), forItself)],
      ['redirect_uri', () => push({ ...challenge, redirect_uri: 'https://client.example/other' })],
    ];
    for (const [cause, request] of requests) {
      const { row, cause: found } = await noted(await request());
      assert.equal(found, cause, `${cause}: ${row.error}, ${row.description}`);
    }
  });

  it('is read from rows of an earlier version, which have the sentence itself', () => {
    const row = { error: 'invalid_grant', description: 'grant request is invalid' };
    assert.equal(causeOf({ ...row, detail: { reason: 'authorization code already consumed' } }), 'code_used');
    assert.equal(causeOf({ ...row, detail: { reason: 'a sentence that nobody knows' } }), undefined);
  });
});
