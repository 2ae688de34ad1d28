import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { pkceByNature } from '../../src/oauth/requests/pkce-policy.ts';
import { REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { approve, authorizePath, obtainCode, pkce, post, redeem, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { assertRefused, assertSentBack, leadsTo } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, type RegisteredClient, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

type Parameters = Record<string, string | undefined>;

const ask = (server: TestServer, client: TestClient, parameters: Parameters = {}) =>
  new Person(server.issuer).request(authorizePath(client, parameters));

/** Asserts that a request without a challenge ends with an error before any page. @returns the error for the client. */
async function refused(server: TestServer, client: TestClient, parameters: Parameters = {}): Promise<string> {
  const response = await unchanged(server, () => ask(server, client, parameters));
  return String((await assertSentBack(response, client.redirect_uri, 'invalid_request')).get('error_description'));
}

/** Asserts that a request without a challenge leads to tokens. */
async function accepted(server: TestServer, client: TestClient, parameters: Parameters = {}): Promise<void> {
  const answer = await approve(server, new Person(server.issuer), await server.createPerson(), authorizePath(client, parameters));
  const body = { grant_type: 'authorization_code', code: String(answer.get('code')), redirect_uri: client.redirect_uri };
  const response = await post(server, '/oauth/token', client, body);
  assert.equal(response.status, 200, `${answer} ${await response.text()}`);
}

const asPublic = async (server: TestServer, more = {}): Promise<TestClient> => ({
  ...(await server.createClient({ token_endpoint_auth_method: 'none', ...more })),
  client_secret: undefined as unknown as string,
});

describe('Proof key for code exchange (RFC 7636, RFC 9700 section 2.1.1)', () => {
  let server: TestServer;
  let confidential: TestClient;
  let publicClient: TestClient;
  let person: { email: string; password: string };
  before(async () => {
    server = await startTestServer();
    person = await server.createPerson();
    confidential = await server.createClient();
    publicClient = await asPublic(server);
  });
  after(() => server.close());

  it('is optional for a confidential client, with or without openid and a nonce', async () => {
    for (const parameters of [{}, { nonce: 'n' }, { scope: 'profile' }]) await accepted(server, confidential, parameters);
    await accepted(server, await server.createClient({ require_pkce: false }));
    await accepted(server, await server.createClient({ dpop_bound_access_tokens: false, require_pushed_authorization_requests: false }));
  });

  it('is required of a public client, with or without a nonce; the error says what to send and why', async () => {
    for (const client of [publicClient, await asPublic(server, { require_pkce: false })])
      for (const parameters of [{}, { nonce: 'n' }, { scope: 'profile' }]) {
        const description = await refused(server, client, parameters);
        assert.match(description, /send code_challenge and code_challenge_method=S256.*because a public client/);
        assert.match(description, /^[\x20-\x7e]+$/);
      }
  });

  it('is required of a client that asks for it or binds its tokens, and of a FAPI client', async () => {
    assert.equal(pkceByNature({ clientAuthMethod: 'private_key_jwt', fapi_profile: '2.0' }), 'fapi');
    for (const [member, why] of [
      [{ require_pkce: true }, /require_pkce/],
      [{ dpop_bound_access_tokens: true }, /bound to a key/],
      [{ dpop_bound_access_tokens: true, require_pkce: false }, /bound to a key/],
    ] as const)
      assert.match(await refused(server, await server.createClient(member), { nonce: 'n' }), why);
  });

  it('is required at the pushed request of a client that must push (RFC 9126)', async () => {
    const client = await server.createClient({ require_pushed_authorization_requests: true });
    const body = { client_id: client.client_id, response_type: 'code', redirect_uri: REDIRECT_URI, scope: 'openid', nonce: 'n' };
    const answer = await assertRefused(await unchanged(server, () => post(server, '/oauth/par', client, body)), 400, 'invalid_request');
    assert.match(String(answer['error_description']), /code_challenge_method=S256.*pushed authorization requests/);
  });

  it('is taken from the pushed request: the browser can neither remove nor add a challenge', async () => {
    const { code_verifier, ...challenge } = pkce();
    const other = pkce();
    const push = async (more: Record<string, string>) => {
      const body = { response_type: 'code', redirect_uri: REDIRECT_URI, scope: 'openid', client_id: confidential.client_id, ...more };
      const { request_uri } = (await (await post(server, '/oauth/par', confidential, body)).json()) as { request_uri: string };
      return request_uri;
    };
    const codeOf = async (request_uri: string, more: Record<string, string>) => {
      const path = `/oauth/authorize?${new URLSearchParams({ client_id: confidential.client_id, request_uri, ...more })}`;
      return { code: String((await approve(server, new Person(server.issuer), person, path)).get('code')), redirect_uri: REDIRECT_URI };
    };
    const added = { code_challenge: other.code_challenge, code_challenge_method: 'S256' };
    const bound = await codeOf(await push(challenge), { ...added, code_challenge_method: 'plain' });
    for (const verifier of [undefined, other.code_verifier]) {
      const body = { grant_type: 'authorization_code', ...bound, ...(verifier && { code_verifier: verifier }) };
      await assertRefused(await unchanged(server, () => post(server, '/oauth/token', confidential, body)), 400, 'invalid_grant');
    }
    assert.equal((await redeem(server, confidential, { ...bound, code_verifier })).status, 200);
    const unbound = await codeOf(await push({}), added);
    await assertRefused(await unchanged(server, () => redeem(server, confidential, { ...unbound, ...other })), 400, 'invalid_grant');
  });

  it('ends a request with an error, and without a code, when its client requires it meanwhile', async () => {
    const client = await server.createClient();
    const signIn = await new Person(server.issuer).open(authorizePath(client));
    const consent = await signIn.submit(person);
    assert.match(consent.html, /name="decision"/);
    await server.sql(`update client set metadata = metadata || '{"require_pkce": true}' where id = $1`, [client.client_id]);
    await eventually('the server knows', async () => /error=/.test(await leadsTo(await ask(server, client))));
    const end = await consent.submit({ scope: consent.optionalScopes, decision: 'approve' });
    assert.equal(end.url.searchParams.get('error'), 'invalid_request', end.url.href);
    assert.match(String(end.url.searchParams.get('error_description')), /require_pkce/);
    assert.equal(await countRows(server, 'authorization_code where client_id = $1', [client.client_id]), 0);
  });

  it('is refused with the plain method, named or implied, even where it is optional', async () => {
    const { code_verifier } = pkce();
    for (const client of [confidential, publicClient])
      for (const code_challenge_method of ['plain', undefined, 's256', 'S512'])
        await refused(server, client, { code_challenge: code_verifier, code_challenge_method });
    await refused(server, confidential, { code_challenge_method: 'S256' });
  });

  it('is refused with a challenge that is no SHA-256', async () => {
    for (const code_challenge of ['', 'short', `${pkce().code_challenge}!`, 'x'.repeat(129)])
      await refused(server, confidential, { code_challenge, code_challenge_method: 'S256' });
  });

  it('is accepted with the right verifier, with a secret or without', async () => {
    for (const client of [confidential, publicClient]) {
      const response = await redeem(server, client, await obtainCode(server, client, person));
      assert.equal(response.status, 200, await response.text());
    }
  });

  it('is refused with a missing, wrong, empty or repeated verifier, or with the challenge itself, and issues nothing', async () => {
    const { code, redirect_uri, code_verifier } = await obtainCode(server, confidential, person);
    const challenge = createHash('sha256').update(code_verifier).digest('base64url');
    const attempt = (verifier?: string | string[]) =>
      unchanged(server, () =>
        post(server, '/oauth/token', confidential, {
          grant_type: 'authorization_code',
          code,
          redirect_uri,
          ...(verifier === undefined ? {} : { code_verifier: verifier }),
        }),
      );
    await assertRefused(await attempt(), 400, 'invalid_grant');
    await assertRefused(await attempt(''), 400, 'invalid_grant');
    await assertRefused(await attempt(pkce().code_verifier), 400, 'invalid_grant');
    await assertRefused(await attempt(challenge), 400, 'invalid_grant');
    await assertRefused(await attempt(`${code_verifier}A`), 400, 'invalid_grant');
    await assertRefused(await attempt([code_verifier, code_verifier]), 400, 'invalid_request');
  });

  it('is refused with a verifier that is too short, too long or has other characters, even if it matches (RFC 7636 section 4.1)', async () => {
    for (const code_verifier of ['a'.repeat(42), 'a'.repeat(129), `${'a'.repeat(43)}!`, `${'a'.repeat(43)}é`]) {
      const code_challenge = createHash('sha256').update(code_verifier).digest('base64url');
      const issued = await obtainCode(server, confidential, person, { code_challenge });
      const response = await unchanged(server, () => redeem(server, confidential, { ...issued, code_verifier }));
      const { error } = (await response.json()) as { error: string };
      assert.equal(response.status, 400);
      assert.match(error, /^invalid_(grant|request)$/);
    }
  });

  it('is refused with a verifier for a code without a challenge: somebody removed the challenge (RFC 9700 section 4.8.2)', async () => {
    const unbound = await obtainCode(server, confidential, person, { code_challenge: undefined, code_challenge_method: undefined });
    await assertRefused(await unchanged(server, () => redeem(server, confidential, unbound)), 400, 'invalid_grant');
    const { code, ...issued } = await obtainCode(server, publicClient, person);
    await server.sql(`update authorization_code set payload = payload - 'codeChallenge' - 'codeChallengeMethod'`);
    await assertRefused(await unchanged(server, () => redeem(server, publicClient, { code, ...issued })), 400, 'invalid_grant');
  });

  it('is offered as S256 only in discovery', async () => {
    const metadata = (await (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json()) as Record<string, unknown>;
    assert.deepEqual(metadata['code_challenge_methods_supported'], ['S256']);
  });

  describe('as registered by a client (RFC 7591, RFC 7592)', () => {
    const said = async (more: Record<string, unknown>) => (await register(server, more))['require_pkce'];

    it('is reported as it applies: never false where it is required anyway', async () => {
      assert.equal(await said({ require_pkce: true }), true);
      assert.equal(await said({ require_pkce: false }), false);
      assert.equal(await said({}), undefined);
      for (const absent of [null, '', []]) assert.equal(await said({ require_pkce: absent }), undefined);
      for (const always of [
        { token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] },
        { dpop_bound_access_tokens: true },
        { require_pushed_authorization_requests: true },
      ])
        assert.equal(await said({ ...always, require_pkce: false }), true, JSON.stringify(always));
    });

    it('accepts only true or false', async () => {
      for (const require_pkce of ['true', 1, [true], {}]) {
        const answer = await unchanged(server, () => askToRegister(server, { ...METADATA, require_pkce }), ['rate_limit']);
        const { error, error_description } = (await answer.json()) as Record<string, string>;
        assert.deepEqual([answer.status, error, error_description], [400, 'invalid_client_metadata', 'require_pkce must be a boolean']);
      }
    });

    it('may be required by the client, and withdrawn', async () => {
      const client = await register(server, { require_pkce: true });
      await refused(server, client, { nonce: 'n' });
      const { registration_client_uri: _uri, registration_access_token, client_id_issued_at: _at, ...metadata } = client;
      const { redirect_uri: _first, client_secret_expires_at: _never, ...members } = metadata;
      const changed = await manage(server, { ...client, registration_access_token }, 'PUT', { ...members, require_pkce: false });
      const body = (await changed.json()) as RegisteredClient;
      assert.deepEqual([changed.status, body['require_pkce']], [200, false], JSON.stringify(body));
      await eventually('the server knows', async () => !/error=/.test(await leadsTo(await ask(server, client))));
      await accepted(server, client);
    });
  });
});

describe('PKCE=nonce and PKCE=all', () => {
  it('nonce: a request needs PKCE, or openid and a nonce; a public client needs PKCE', async () => {
    const server = await startTestServer({ pkce: 'nonce' });
    try {
      const client = await server.createClient();
      await accepted(server, client, { nonce: 'n' });
      for (const parameters of [{}, { nonce: '' }, { scope: 'profile' }])
        assert.match(await refused(server, client, parameters), /openid scope and a nonce/);
      assert.match(await refused(server, await asPublic(server), { nonce: 'n' }), /a public client/);
      assert.match(await refused(server, await server.createClient({ require_pkce: true }), { nonce: 'n' }), /require_pkce/);
      await obtainCode(server, client, await server.createPerson());
    } finally {
      await server.close();
    }
  });

  it('all: every client needs PKCE, with any registration', async () => {
    const server = await startTestServer({ pkce: 'all' });
    try {
      for (const client of [await server.createClient(), await server.createClient({ require_pkce: false })]) {
        assert.match(await refused(server, client, { nonce: 'n' }), /this server requires PKCE of every client/);
        await obtainCode(server, client, await server.createPerson());
      }
    } finally {
      await server.close();
    }
  });
});
