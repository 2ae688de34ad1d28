import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, obtainCode, pkce, post, redeem, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { assertRefused, assertSentBack } from '../support/refusals.ts';
import { unchanged } from '../support/storage.ts';

describe('Proof key for code exchange (RFC 7636, RFC 9700 section 2.1.1)', () => {
  let server: TestServer;
  let confidential: TestClient;
  let publicClient: TestClient;
  let person: { email: string; password: string };
  before(async () => {
    server = await startTestServer();
    person = await server.createPerson();
    confidential = await server.createClient();
    publicClient = { ...(await server.createClient({ token_endpoint_auth_method: 'none' })), client_secret: undefined };
  });
  after(() => server.close());

  const ask = (client: TestClient, parameters: Record<string, string | undefined>) =>
    new Person(server.issuer).request(authorizePath(client, parameters));

  it('no client may leave the challenge out, with a secret or without', async () => {
    for (const client of [confidential, publicClient])
      assertSentBack(await unchanged(server, () => ask(client, {})), REDIRECT_URI, 'invalid_request');
  });

  it('the plain method is refused, named or implied', async () => {
    const { code_verifier } = pkce();
    for (const code_challenge_method of ['plain', undefined, 's256', 'S512'])
      assertSentBack(
        await unchanged(server, () => ask(confidential, { code_challenge: code_verifier, code_challenge_method })),
        REDIRECT_URI,
        'invalid_request',
      );
  });

  it('a challenge that no SHA-256 can be is refused', async () => {
    for (const code_challenge of ['', 'short', `${pkce().code_challenge}!`, 'x'.repeat(129)])
      assertSentBack(
        await unchanged(server, () => ask(confidential, { code_challenge, code_challenge_method: 'S256' })),
        REDIRECT_URI,
        'invalid_request',
      );
  });

  it('the right verifier is accepted, with a secret or without', async () => {
    for (const client of [confidential, publicClient]) {
      const response = await redeem(server, client, await obtainCode(server, client, person));
      assert.equal(response.status, 200, await response.text());
    }
  });

  it('an absent, wrong, empty or repeated verifier, or the challenge itself, is refused and issues nothing', async () => {
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

  it('a verifier that is too short, too long or of other characters is refused, though the challenge fits it (RFC 7636 section 4.1)', async () => {
    for (const code_verifier of ['a'.repeat(42), 'a'.repeat(129), `${'a'.repeat(43)}!`, `${'a'.repeat(43)}é`]) {
      const code_challenge = createHash('sha256').update(code_verifier).digest('base64url');
      const issued = await obtainCode(server, confidential, person, { code_challenge });
      const response = await unchanged(server, () => redeem(server, confidential, { ...issued, code_verifier }));
      const { error } = (await response.json()) as { error: string };
      assert.equal(response.status, 400);
      assert.match(error, /^invalid_(grant|request)$/);
    }
  });

  it('a verifier for a code without a challenge is refused: such a code, had it been made, cannot be redeemed', async () => {
    const { code, ...issued } = await obtainCode(server, confidential, person);
    await server.sql(`update authorization_code set payload = payload - 'codeChallenge' - 'codeChallengeMethod'`);
    await assertRefused(await unchanged(server, () => redeem(server, confidential, { code, ...issued })), 400, 'invalid_grant');
  });

  it('discovery offers S256 alone', async () => {
    const metadata = (await (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json()) as Record<string, unknown>;
    assert.deepEqual(metadata['code_challenge_methods_supported'], ['S256']);
  });
});
