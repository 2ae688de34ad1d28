import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import {
  authorizePath,
  callApi,
  createResourceServerClient,
  introspect,
  obtainCode,
  obtainTokens,
  pkce,
  post,
  redeem,
  refresh,
  type TestClient,
} from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { createWire } from '../support/wire.ts';

describe('While the database is lost', () => {
  let server: TestServer;
  let wire: Awaited<ReturnType<typeof createWire>>;
  let client: TestClient;
  let api: TestClient;
  let person: { email: string; password: string };

  before(async () => {
    const database = await createDatabase();
    wire = await createWire(database.url);
    server = await startTestServer({ databaseUrl: wire.url }, database);
    client = await server.createClient();
    api = await createResourceServerClient(server);
    person = await server.createPerson();
  });
  after(async () => {
    wire.mend();
    await server.close();
    wire.close();
  });

  async function whileCut(work: () => Promise<void>) {
    wire.cut();
    await work().finally(() => wire.mend());
  }

  const assertUnavailable = async (response: Response) => {
    assert.equal(response.status, 503);
    assert.ok(Number(response.headers.get('retry-after')) > 0);
    assert.equal(((await response.json()) as { error: string }).error, 'temporarily_unavailable');
  };

  it('the token endpoint says 503 and never invalid_grant; code and refresh token are good afterwards', async () => {
    const code = await obtainCode(server, client, person);
    const tokens = await obtainTokens(server, client, person);
    await whileCut(async () => {
      await assertUnavailable(await redeem(server, client, code));
      await assertUnavailable(await refresh(server, client, tokens.refresh_token as string));
      await assertUnavailable(await post(server, '/oauth/token', client, { grant_type: 'client_credentials' }));
    });
    assert.equal((await redeem(server, client, code)).status, 200);
    assert.equal((await refresh(server, client, tokens.refresh_token as string)).status, 200);
  });

  it('introspection, revocation and the API say 503; nothing was revoked', async () => {
    const { access_token } = await obtainTokens(server, client, person);
    await whileCut(async () => {
      await assertUnavailable(await post(server, '/oauth/introspect', api, { token: access_token }));
      await assertUnavailable(await post(server, '/oauth/revoke', client, { token: access_token }));
      await assertUnavailable(await callApi(server, '/api/me', access_token));
    });
    assert.equal((await introspect(server, api, access_token))['active'], true);
    assert.equal((await callApi(server, '/api/me', access_token)).status, 200);
  });

  it('a person sees a page that says so', async () => {
    const { code_verifier: _, ...challenge } = pkce();
    await whileCut(async () => {
      const page = await new Person(server.issuer).open(authorizePath(client, challenge));
      assert.equal(page.response.status, 503);
      assert.match(page.html, /Not available now/);
    });
  });

  it('liveness and the published documents answer, readiness does not', async () => {
    await whileCut(async () => {
      assert.equal((await fetch(`${server.issuer}/livez`)).status, 200);
      assert.equal((await fetch(`${server.issuer}/readyz`)).status, 503);
      for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/oauth/jwks'])
        assert.equal((await fetch(server.issuer + path)).status, 200, path);
    });
    assert.equal((await fetch(`${server.issuer}/readyz`)).status, 200);
  });

  it('a write that is lost on its way leaves neither half behind', async () => {
    const code = await obtainCode(server, client, person);
    const before = await server.sql('select count(*)::int as n from token');
    // The database dies between the consumption of the code and the tokens: the transaction goes with it.
    await server.sql(
      `create function die() returns trigger language plpgsql as $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$`,
    );
    await server.sql(`create trigger die before insert on token for each row execute function die()`);
    await assertUnavailable(await redeem(server, client, code));
    await server.sql('drop trigger die on token');
    assert.deepEqual(await server.sql('select count(*)::int as n from token'), before);
    assert.equal((await redeem(server, client, code)).status, 200, 'the code is as good as before');
  });
});
