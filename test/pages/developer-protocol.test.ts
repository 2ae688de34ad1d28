import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { eventsOf } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { clientCredentials, obtainTokens, post } from '../support/flow.ts';
import { type MadeClient, makeOwnedClient, type OwnedClient, problemsOn, secretOn, sendTo } from '../support/portal.ts';
import { unchanged } from '../support/storage.ts';

const FIELDS = {
  token_endpoint_auth_method: 'client_secret_basic',
  grant_types: ['authorization_code', 'refresh_token'],
  id_token_claims: '',
};

describe('How a client signs users in and gets tokens, changed in the portal', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  async function made(answers?: Record<string, string | string[]>): Promise<OwnedClient> {
    const client = await makeOwnedClient(server, answers);
    const path = `${client.path}/protocol`;
    return { ...client, page: await client.page.person.open(path), path };
  }
  const metadataOf = async ({ client_id }: MadeClient) =>
    (await server.sql('select metadata from client where id = $1', [client_id]))[0]?.['metadata'] as Record<string, unknown>;
  const secretsOf = ({ client_id }: MadeClient) => server.sql('select made_by from client_secret where client_id = $1', [client_id]);

  it('shows what is registered, and saves each subject at once', async () => {
    const one = await made({ scope: ['openid', 'email'] });
    const page = await one.page.person.open(one.path);
    assert.match(page.html, /value="client_secret_basic" required checked/);
    assert.match(page.html, /value="refresh_token" checked/);
    const before = await metadataOf(one);
    const changed = {
      ...FIELDS,
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      id_token_claims: 'minimal',
      refresh_token_grace: '0',
      allowed_origins: 'capacitor://localhost\r\nhttps://app.example.com',
    };
    const saved = await sendTo(page, one.path, changed);
    assert.equal(saved.url.search, '?done', saved.html);
    assert.deepEqual(await metadataOf(one), {
      ...before,
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      id_token_claims: 'minimal',
      refresh_token_grace: 0,
      allowed_origins: ['capacitor://localhost', 'https://app.example.com'],
    });
    const [event] = await server.sql(
      `select detail->'changes' as changes from audit_event where client_id = $1 and type = 'client_changed'`,
      [one.client_id],
    );
    assert.equal((event?.['changes'] as string[] | undefined)?.length, 5);
    const again = await sendTo(saved, one.path, changed);
    assert.equal(again.response.status, 200);
    assert.equal((await eventsOf(server, one.owner.id)).length, 2, 'what changes nothing is no change');
    const form = { grant_type: 'client_credentials', client_id: one.client_id, client_secret: String(one.client_secret) };
    await eventually('the new method works', async () => {
      const response = await server.send(new URL('/oauth/token', server.issuer), { method: 'POST', body: new URLSearchParams(form) });
      return response.status === 200;
    });
  });

  it('ID tokens say less once the owner says so', async () => {
    const one = await made({ place: 'browser', scope: ['openid', 'email'] });
    const user = await server.createPerson();
    const client = { client_id: one.client_id, redirect_uri: one.redirect_uri };
    const email = async () => decodeJwt(String((await obtainTokens(server, client, user, { scope: 'openid email' })).id_token))['email'];
    assert.equal(await email(), user.email);
    await sendTo(one.page, one.path, { ...FIELDS, token_endpoint_auth_method: 'none', id_token_claims: 'minimal' });
    await eventually('the ID token is minimal', async () => (await email()) === undefined);
  });

  it('a method with a secret creates one and shows it once; a method without deletes them', async () => {
    const one = await made({ place: 'browser' });
    assert.deepEqual(await secretsOf(one), []);
    const shown = await sendTo(one.page, one.path, { ...FIELDS, grant_types: ['authorization_code', 'client_credentials'] });
    assert.equal(shown.response.status, 200);
    const client_secret = String(secretOn(shown));
    assert.deepEqual(await secretsOf(one), [{ made_by: one.owner.id }]);
    assert.deepEqual(await eventsOf(server, one.owner.id), ['client_secret_made', 'client_changed', 'client_made']);
    assert.equal(secretOn(await one.page.person.open(one.path)), undefined);
    await eventually('the secret works', async () => {
      const answer = await post(server, '/oauth/token', { ...one, client_secret }, { grant_type: 'client_credentials' });
      return answer.status === 200;
    });
    assert((await clientCredentials(server, { ...one, client_secret })).access_token);
    await sendTo(one.page, one.path, { ...FIELDS, token_endpoint_auth_method: 'none' });
    assert.deepEqual(await secretsOf(one), []);
    assert.equal((await metadataOf(one))['token_endpoint_auth_method'], 'none');
  });

  const WRONG: Record<string, [Record<string, string | string[]>, RegExp]> = {
    'no method': [{ token_endpoint_auth_method: '' }, /^token_endpoint_auth_method: Choose how/],
    'a method that this server has not': [{ token_endpoint_auth_method: 'client_secret_jwt' }, /^token_endpoint_auth_method: Choose how/],
    'a signature without keys': [{ token_endpoint_auth_method: 'private_key_jwt' }, /^jwks_uri: Enter the address/],
    'keys that are no JSON': [{ token_endpoint_auth_method: 'private_key_jwt', jwks: '{' }, /^jwks: Enter the keys as/],
    'an address of keys over http': [{ token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'http://keys.example/' }, /^jwks_uri: /],
    'a grant of an operator': [{ grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'] }, /^grant_types: Choose from/],
    'a token of its own without a secret': [
      { token_endpoint_auth_method: 'none', grant_types: ['client_credentials'] },
      /^grant_types: An app without/,
    ],
    'a grace of an hour': [{ refresh_token_grace: '3600' }, /^refresh_token_grace: Enter a whole number/],
    'a grace that is no number': [{ refresh_token_grace: '1e1' }, /^refresh_token_grace: Enter a whole number/],
    'an origin with a path': [{ allowed_origins: 'https://app.example.com/' }, /^allowed_origins: Enter up to 10/],
    'this server as an origin': [{ allowed_origins: 'OWN' }, /^allowed_origins: Enter up to 10/],
  };
  for (const [what, [given, problem]] of Object.entries(WRONG))
    it(`changes nothing for ${what}, and says so`, async () => {
      const one = await made();
      const typed = given['allowed_origins'] === 'OWN' ? { allowed_origins: server.issuer } : given;
      const page = await unchanged(server, () => sendTo(one.page, one.path, { ...FIELDS, ...typed }));
      assert.equal(page.response.status, 422);
      assert.match(problemsOn(page).join('\n'), problem);
    });

  it('codes need a redirect URI, which a service has not', async () => {
    const one = await made({ place: 'service', person: 'no', redirect_uris: '', scope: [] });
    const page = await unchanged(server, () => sendTo(one.page, one.path, FIELDS));
    assert.match(problemsOn(page).join('\n'), /^grant_types: Add a redirect URI/);
  });

  it("another owner's client is not there, and a suspended one stays as it is", async () => {
    const [one, other] = [await made(), await made()];
    await server.sql('update client set suspended_at = now() where id = $1', [other.client_id]);
    await unchanged(server, async () => {
      assert.equal((await sendTo(one.page, other.path, { ...FIELDS, id_token_claims: 'minimal' })).response.status, 404);
      assert.equal((await sendTo(other.page, other.path, { ...FIELDS, id_token_claims: 'minimal' })).response.status, 422);
    });
  });
});
