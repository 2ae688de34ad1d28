import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { act, signInAs } from '../support/admin.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { obtainTokens, post, refresh } from '../support/flow.ts';
import {
  API,
  comeToPortal,
  type Developer,
  fill,
  introspect,
  knowsScope,
  makeIntrospector,
  own,
  registerApi,
  SCOPE,
} from '../support/owned-apis.ts';

/** A new owner of an API's identifier or of a client gets nothing of the earlier owners (RFC 7662 section 4). */
describe('Tokens after a change of owner', () => {
  let server: TestServer;
  let first: Developer;
  before(async () => {
    server = await startTestServer();
    first = await comeToPortal(server);
  });
  after(() => server.close());

  const makeApi = async (developer: Developer, scope: string) => {
    const path = await registerApi(developer);
    await fill(developer, `${path}/scopes`, { ...SCOPE, name: scope });
    await knowsScope(server, scope);
    return path;
  };

  it('of a deleted API are inactive for the next owner of its identifier', async () => {
    const path = await makeApi(first, 'books:read');
    const [client, person] = await Promise.all([server.createClient(), server.createPerson()]);
    const asked = { scope: 'openid offline_access books:read', resource: API.identifier, prompt: 'consent' };
    const tokens = await obtainTokens(server, client, person, asked, { resource: API.identifier });
    const admin = await signInAs(server, 'admin');
    await act(admin, `/admin/apis/${path.split('/').at(-1)}/delete`, { typed: API.identifier });
    assert.deepEqual(await server.sql('select 1 from resource_server where identifier = $1', [API.identifier]), []);

    const next = await comeToPortal(server);
    const taken = await makeApi(next, 'books:read');
    const introspector = await makeIntrospector(next, taken);
    assert.deepEqual(await introspect(server, introspector, tokens.access_token), { active: false });
    const renewed = await refresh(server, client, String(tokens.refresh_token), { resource: API.identifier });
    const { scope = '', access_token = '' } = (await renewed.json()) as { scope?: string; access_token?: string };
    assert(!scope.includes('books:read'), 'what was allowed at the one is not allowed at the other');
    assert.equal((await introspect(server, introspector, access_token))['scope'], undefined);
    await fill(next, `${taken}/delete`, { certain: 'yes' });
  });

  it('of a client are inactive at an API whose owner left the client', async () => {
    const path = await makeApi(first, 'books:own');
    const [client, second] = await Promise.all([server.createClient(), comeToPortal(server)]);
    await server.sql(`update client set registration = 'dynamic' where id = $1`, [client.client_id]);
    await own(server, client.client_id, first.id);
    await own(server, client.client_id, second.id);
    const introspector = await makeIntrospector(first, path);
    const ask = async () => {
      const asked = { grant_type: 'client_credentials', scope: 'books:own', resource: API.identifier };
      return (await (await post(server, '/oauth/token', client, asked)).json()) as { access_token: string; scope?: string };
    };
    const held = await ask();
    assert.equal((await introspect(server, introspector, held.access_token))['scope'], 'books:own');
    await fill(first, `/developer/clients/${client.client_id}/owners`, { leave: 'yes', certain: 'yes' });
    assert.deepEqual(await introspect(server, introspector, held.access_token), { active: false });
    await eventually('it is given no more', async () => (await ask()).access_token === undefined);
  });
});
