import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import { openAccount } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import {
  authorizePath,
  type Credentials,
  obtainCode,
  obtainTokens,
  pkce,
  post,
  redeem,
  refresh,
  type TestClient,
} from '../support/flow.ts';
import { Person } from '../support/person.ts';

/** The errors of a client, as its owners read them. */
describe('The latest errors of a client', () => {
  let server: TestServer;
  let owner: Credentials & { id: string };
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    owner = await server.createPerson();
    client = await server.createClient({ redirect_uris: ['https://client.example/callback?tenant=1', 'https://client.example/callback'] });
    client.redirect_uri = 'https://client.example/callback';
    await server.database.change(addOwner(client.client_id, owner.id));
  });
  after(() => server.close());

  type Row = { endpoint: string; error: string; description: string; request_id: string; detail: Record<string, unknown> };
  const rows = async (of = client) =>
    (await server.sql('select * from client_error where client_id = $1 order by at, id', [of.client_id])) as unknown as Row[];
  const noted = async (requestId: string | null): Promise<Row> => {
    let row: Row | undefined;
    await eventually('the error is noted', async () => {
      row = (await rows()).find(({ request_id }) => request_id === requestId);
      return row !== undefined;
    });
    return row as unknown as Row;
  };
  const fetched = (path: string, accept = 'text/html') => fetch(server.issuer + path, { redirect: 'manual', headers: { accept } });

  it('show an unregistered redirect URI: the received one, the nearest one, and the difference', async () => {
    const sent = 'http://someone:pass-word-of-mine@client.example/callback/?token=secret-of-mine#code-of-mine';
    const response = await fetched(authorizePath(client, { ...pkce(), redirect_uri: sent }));
    assert.equal(response.status, 400);
    const row = await noted(response.headers.get('x-request-id'));
    assert.equal(row.endpoint, 'authorization');
    assert.equal(row.error, 'invalid_redirect_uri');
    assert.equal(row.detail['redirect_uri'], 'http://…@client.example/callback/?token=…#…');
    assert.deepEqual(row.detail['nearest'], {
      registered: 'https://client.example/callback?tenant=1',
      differences: ['scheme', 'trailing_slash', 'query', 'fragment', 'user_info'],
    });
  });

  it('show a wrong secret, and a wrong authentication method', async () => {
    const wrong = await post(server, '/oauth/token', { ...client, client_secret: 'wrong-secret' }, { grant_type: 'client_credentials' });
    assert.equal(wrong.status, 401);
    const row = await noted(wrong.headers.get('x-request-id'));
    assert.deepEqual([row.endpoint, row.error, row.detail['reason']], ['token', 'invalid_client', 'secret']);
    const none = await post(server, '/oauth/token', undefined, { grant_type: 'client_credentials', client_id: client.client_id });
    assert.equal((await noted(none.headers.get('x-request-id'))).detail['auth_method'], 'none');
  });

  it('show a used code, a wrong verifier, and a used refresh token', async () => {
    const code = await obtainCode(server, client, owner);
    const wrong = await redeem(server, client, { ...code, code_verifier: pkce().code_verifier });
    assert.equal((await noted(wrong.headers.get('x-request-id'))).detail['reason'], 'verifier');
    const other = await obtainCode(server, client, owner);
    await redeem(server, client, other);
    const again = await redeem(server, client, other);
    assert.equal((await noted(again.headers.get('x-request-id'))).detail['reason'], 'code_used');
    const tokens = await obtainTokens(server, client, owner, { scope: 'openid offline_access', prompt: 'consent' });
    assert(tokens.refresh_token);
    await refresh(server, client, tokens.refresh_token);
    await server.sql(`update token set consumed_at = now() - interval '1 hour' where kind = 'RefreshToken' and consumed_at is not null`);
    const replay = await refresh(server, client, tokens.refresh_token);
    assert.equal(replay.status, 400);
    assert.equal((await noted(replay.headers.get('x-request-id'))).detail['reason'], 'refresh_used');
  });

  it('include the other endpoints, and nothing of an unknown client', async () => {
    const par = await post(server, '/oauth/par', client, { response_type: 'code', redirect_uri: 'https://client.example/other' });
    assert.equal((await noted(par.headers.get('x-request-id'))).endpoint, 'pushed_authorization_request');
    const before = (await rows()).length;
    await fetched(authorizePath({ client_id: 'nobody', redirect_uri: 'https://client.example/callback' }));
    const last = await fetched(authorizePath(client, { ...pkce(), response_type: 'token' }));
    await noted(last.headers.get('x-request-id'));
    assert.equal((await rows()).length, before + 1);
    assert.deepEqual(await server.sql(`select 1 from client_error where client_id = 'nobody'`), []);
  });

  it("are explained with advice, in both languages, to the client's owners only", async () => {
    const path = `/developer/clients/${client.client_id}/errors`;
    const person = new Person(server.issuer);
    const page = await openAccount(server, owner, path, person);
    assert.match(page.html, /letter by letter[\s\S]*Nearest registered[\s\S]*tenant=1[\s\S]*http is not https/);
    assert.match(page.html, /The client secret is wrong/);
    assert.doesNotMatch(page.html, /secret-of-mine|pass-word-of-mine|code-of-mine/);
    assert.match((await person.open(`${path}?lang=ko`)).html, /한 글자까지 비교해요/);
    const stranger = await server.createPerson();
    const theirs = new Person(server.issuer);
    await openAccount(server, stranger, '/account', theirs);
    for (const id of [client.client_id, 'nobody', '%00', '%ED%A0%80', '..%2f'])
      assert.notEqual((await theirs.open(`/developer/clients/${id}/errors`)).response.status, 200, id);
    assert.equal((await theirs.open(path)).response.status, 404);
  });

  it('from unauthenticated requests are shown apart, with their number, and never with advice to register something', async () => {
    const [own, theirs] = [await server.createClient(), 'https://client.example.cdn-login.example/callback'];
    await server.database.change(addOwner(own.client_id, owner.id));
    const mine = await post(server, '/oauth/par', own, {
      client_id: own.client_id,
      response_type: 'code',
      redirect_uri: 'https://client.example/mine',
    });
    assert.equal(mine.status, 400);
    for (let n = 0; n < 5; n++) await fetched(authorizePath(own, { ...pkce(), redirect_uri: theirs, state: `${n}` }));
    await eventually('they are noted', async () => {
      const noted = await rows(own);
      return noted.length === 2 && noted.some(({ detail }) => detail['times'] === 5);
    });
    const person = new Person(server.issuer);
    const page = await openAccount(server, owner, `/developer/clients/${own.client_id}/errors`, person);
    const [proven = '', unproven = ''] = page.html.split('From browsers');
    assert.match(proven, /From your app[\s\S]*client\.example\/mine[\s\S]*register this one/);
    assert.match(unproven, /5 times[\s\S]*cdn-login[\s\S]*Never register an address that is not yours/);
    assert.doesNotMatch(unproven, /register this one/);
    assert.equal(page.html.split(theirs).length, 2);
    const korean = await person.open(`/developer/clients/${own.client_id}/errors?lang=ko`);
    assert.match(korean.html, /브라우저에서 온 요청[\s\S]*절대 등록하면 안 돼요/);
  });

  it('are linked from the error page for an owner who is signed in at this browser, and for nobody else', async () => {
    const sent = 'https://client.example/Callback-attackers-words';
    const path = authorizePath(client, { ...pkce(), redirect_uri: sent });
    const person = new Person(server.issuer);
    await openAccount(server, owner, '/account', person);
    const own = await person.open(path);
    assert.equal(own.response.status, 400);
    assert.match(own.html, /Callback-attackers-words[\s\S]*https:\/\/client\.example\/callback[\s\S]*\/errors"/);
    const stranger = new Person(server.issuer);
    await openAccount(server, await server.createPerson(), '/account', stranger);
    for (const other of [stranger, new Person(server.issuer)]) {
      const page = await other.open(path);
      assert.equal(page.response.status, 400);
      assert.doesNotMatch(page.html.replace(/<header[\s\S]*?<\/header>/, ''), /attackers-words|\/developer\//);
    }
  });
});
