import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { pkce } from '../support/flow.ts';

/** The plain OAuth 2.0 server of the example: people copy it, so it has to be right. */
describe('The Notes server of the example', () => {
  const CLIENT = { id: 'munjigi', secret: 's'.repeat(32), redirectUri: 'http://client.example/callback?fixed=1' };
  const SCRIPT = join(import.meta.dirname, '../../examples/dependent-services/notes-server.mjs');
  let notes: string;
  let child: ChildProcess;
  before(async () => {
    const port = await freePort();
    notes = `http://127.0.0.1:${port}`;
    const env = {
      ...process.env,
      NOTES_PORT: String(port),
      NOTES_URL: notes,
      NOTES_CLIENT_ID: CLIENT.id,
      NOTES_CLIENT_SECRET: CLIENT.secret,
      NOTES_REDIRECT_URI: CLIENT.redirectUri,
      NOTES_ACCESS_SECONDS: '60',
    };
    child = spawn(process.execPath, [SCRIPT], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    await eventually('it listens', () =>
      fetch(notes).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  });
  after(async () => {
    child.kill();
    await once(child, 'close');
  });

  const authorize = (parameters: Record<string, string | undefined> = {}, challenge = pkce()) => {
    const all = {
      client_id: CLIENT.id,
      redirect_uri: CLIENT.redirectUri,
      response_type: 'code',
      scope: 'whoami notes:read',
      state: 'the state',
      code_challenge: challenge.code_challenge,
      code_challenge_method: 'S256',
      ...parameters,
    };
    const query = new URLSearchParams(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
    return fetch(`${notes}/authorize?${query}`, { redirect: 'manual' });
  };
  const decide = async (page: Response, parameters: Record<string, string> = {}, headers: Record<string, string> = {}) => {
    const request = /name="request" value="([^"]+)"/.exec(await page.text())?.[1] ?? '';
    return fetch(`${notes}/authorize`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'sec-fetch-site': 'same-origin', ...headers },
      body: new URLSearchParams({ request, person: 'notes-7', decision: 'yes', ...parameters }),
    });
  };
  const cameBack = (response: Response) => new URL(String(response.headers.get('location'))).searchParams;
  const token = (parameters: Record<string, string>, secret = CLIENT.secret, path = 'token') =>
    fetch(`${notes}/${path}`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${CLIENT.id}:${secret}`).toString('base64')}` },
      body: new URLSearchParams(parameters),
    });
  type Tokens = { access_token: string; refresh_token: string; scope: string };
  const linked = async (scope = 'whoami notes:read') => {
    const { code_verifier, ...challenge } = pkce();
    const back = cameBack(await decide(await authorize({ scope }, { code_verifier, ...challenge })));
    const redeem = () =>
      token({ grant_type: 'authorization_code', code: String(back.get('code')), redirect_uri: CLIENT.redirectUri, code_verifier });
    return { redeem, tokens: (await (await redeem()).json()) as Tokens };
  };
  const call = async (path: string, bearer: string) =>
    (await fetch(`${notes}/${path}`, { headers: { authorization: `Bearer ${bearer}` } })).status;
  const errorOf = async (response: Response) => [response.status, ((await response.json()) as { error: string }).error];
  const refresh = (refresh_token: string) => token({ grant_type: 'refresh_token', refresh_token });

  it('asks its person, and gives tokens that open what they allowed and no more', async () => {
    const { tokens } = await linked('whoami');
    assert.equal(await call('whoami', tokens.access_token), 200);
    assert.equal(await call('notes', tokens.access_token), 403);
    const wide = await linked();
    assert.equal(await call('notes', wide.tokens.access_token), 200);
    assert.equal(await call('notes', `${wide.tokens.access_token}x`), 401);
  });

  const wrong: [string, Record<string, string | undefined>][] = [
    ['another client', { client_id: 'somebody' }],
    ['no redirect URI', { redirect_uri: undefined }],
    ['a redirect URI that only begins like the registered one', { redirect_uri: `${CLIENT.redirectUri}&more` }],
  ];
  for (const [what, parameters] of wrong)
    it(`says so to the person, and sends nobody anywhere, for ${what}`, async () => {
      const response = await authorize(parameters);
      assert.equal(response.status, 400);
      assert.equal(response.headers.get('location'), null);
    });

  const refused: [string, Record<string, string | undefined>, string][] = [
    ['without PKCE', { code_challenge: undefined }, 'invalid_request'],
    ['with plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['for an unknown scope', { scope: 'notes:write' }, 'invalid_scope'],
    ['for another response type', { response_type: 'token' }, 'unsupported_response_type'],
  ];
  for (const [what, parameters, error] of refused)
    it(`sends an error back to the client ${what}`, async () => {
      const back = cameBack(await authorize(parameters));
      assert.deepEqual([back.get('error'), back.get('state'), back.get('fixed'), back.has('code')], [error, 'the state', '1', false]);
    });

  it('takes an answer once, from its own page alone, and from a person it knows', async () => {
    assert.equal((await decide(await authorize(), {}, { 'sec-fetch-site': 'cross-site' })).status, 400);
    assert.equal((await decide(await authorize(), { person: 'notes-9' })).status, 400);
    assert.equal(cameBack(await decide(await authorize(), { decision: 'no' })).get('error'), 'access_denied');
    const page = await authorize();
    const again = page.clone();
    assert.ok(cameBack(await decide(page)).has('code'));
    assert.equal((await decide(again)).status, 400);
  });

  it('redeems a code once, with the verifier and the redirect URI that it was asked for with', async () => {
    const { redeem } = await linked();
    assert.deepEqual(await errorOf(await redeem()), [400, 'invalid_grant']);
    for (const lie of [{ code_verifier: pkce().code_verifier }, { redirect_uri: 'http://client.example/callback' }]) {
      const { code_verifier, ...challenge } = pkce();
      const code = String(cameBack(await decide(await authorize({}, { code_verifier, ...challenge }))).get('code'));
      const right = { grant_type: 'authorization_code', code, redirect_uri: CLIENT.redirectUri, code_verifier };
      assert.deepEqual(await errorOf(await token({ ...right, ...lie })), [400, 'invalid_grant']);
      assert.deepEqual(await errorOf(await token(right)), [400, 'invalid_grant'], 'it was used up');
    }
  });

  it('rotates refresh tokens, and ends the link when one is used twice', async () => {
    const { tokens } = await linked();
    const second = (await (await refresh(tokens.refresh_token)).json()) as Tokens;
    assert.notEqual(second.refresh_token, tokens.refresh_token);
    assert.equal(await call('notes', second.access_token), 200);
    assert.deepEqual(await errorOf(await refresh(tokens.refresh_token)), [400, 'invalid_grant']);
    assert.equal(await call('notes', second.access_token), 401);
    assert.deepEqual(await errorOf(await refresh(second.refresh_token)), [400, 'invalid_grant']);
  });

  it('revokes for its client alone, and says nothing of tokens that it does not know', async () => {
    const { tokens } = await linked();
    const other = await linked();
    assert.deepEqual(await errorOf(await token({ token: tokens.access_token }, 'wrong', 'revoke')), [401, 'invalid_client']);
    assert.equal(await call('notes', tokens.access_token), 200);
    assert.equal((await token({ token: tokens.refresh_token }, CLIENT.secret, 'revoke')).status, 200);
    assert.equal((await token({ token: 'unknown' }, CLIENT.secret, 'revoke')).status, 200);
    assert.equal(await call('notes', tokens.access_token), 401);
    assert.equal(await call('notes', other.tokens.access_token), 200);
  });

  it('answers bad input readably', async () => {
    assert.deepEqual(await errorOf(await token({ grant_type: 'password' })), [400, 'unsupported_grant_type']);
    assert.equal((await token({ grant_type: 'x'.repeat(20_000) })).status, 413);
    assert.equal((await fetch(`${notes}/nowhere`)).status, 404);
    assert.equal((await fetch(`${notes}/token`, { method: 'POST', headers: { authorization: 'Basic %' } })).status, 401);
    assert.equal((await fetch(`${notes}/take-back`, { method: 'POST', redirect: 'manual' })).status, 303);
    const { tokens } = await linked();
    await fetch(`${notes}/take-back`, { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } });
    assert.equal(await call('notes', tokens.access_token), 200, 'a page elsewhere took it back');
  });
});
