import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { comeToPortal, type Developer, fill, knowsScope, registerApi, SCOPE } from '../support/owned-apis.ts';
import { ANSWERS, NEW_CLIENT, sendTo } from '../support/portal.ts';

describe('Thousands of scopes that others registered', () => {
  let server: TestServer;
  let owner: Developer;
  before(async () => {
    server = await startTestServer();
    owner = await comeToPortal(server);
    const people = await Promise.all(Array.from({ length: 5 }, () => server.createPerson()));
    const path = await registerApi(owner);
    await fill(owner, `${path}/scopes`, SCOPE);
    // As many as five users may register. Written to the database directly, because the pages would take an hour.
    await server.sql(
      `insert into resource_server (identifier, name, owner_id)
      select 'https://' || n || '.' || o.id || '.example', 'Flood', o.id from unnest($1::text[]) o (id), generate_series(1, 20) n`,
      [people.map(({ id }) => id)],
    );
    await server.sql(`
      insert into scope (resource_server_id, name, title_ko, title_en, position)
      select identifier, 'flood:' || n || ':' || left(md5(identifier), 8), repeat('가', 120), repeat('a', 120), n
      from resource_server, generate_series(1, 50) n where name = 'Flood'`);
    // The node reads the APIs one after another. It has read an API completely when it knows the API's last scope.
    for (const { name } of await server.sql(`select name from scope where name like 'flood:50:%'`)) await knowsScope(server, String(name));
  });
  after(() => server.close());

  const ticked = (html: string) => [...html.matchAll(/name="scope" value="([^"]+)" checked/g)].map(([, name]) => String(name));

  const clientOn = (html: string): string => {
    const [path] = /\/developer\/clients\/(?!new)[\w-]+/.exec(html) ?? [];
    assert(path, html.slice(0, 3_000));
    return path;
  };

  it("leave other users' pages readable, with their own scopes first", async () => {
    const { html } = await owner.browser.open(NEW_CLIENT);
    assert(html.length < 100_000, `${html.length}`);
    assert(html.includes('value="posts:read"') && html.includes(`value="${SCOPE.name}"`));
    assert(html.indexOf(`value="${SCOPE.name}"`) < html.indexOf('value="flood:'));
  });

  it('leave the form of a client without a scope limit small enough to send', async () => {
    const text = JSON.stringify({ munjigi_manifest: 1, client_name: 'Everything', redirect_uris: ['https://all.example/cb'] });
    const made = await fill(owner, '/developer/import', { text, apply: 'yes' });
    const path = clientOn(made.html);
    const page = await owner.browser.open(path);
    const saved = await sendTo(page, path, { client_name: 'All', redirect_uris: 'https://all.example/cb', scope: ticked(page.html) });
    assert.equal(saved.response.status, 200, saved.html.slice(0, 2_000));
    const rows = await server.sql(`select metadata->>'scope' as scope from client where metadata->>'client_name' = 'All'`);
    assert.deepEqual(rows, [{ scope: null }], 'it goes on without a limit');
    assert((await owner.browser.open(`${path}/preview`)).html.length < 100_000);
  });

  it('can still be requested: a scope that a manifest names is on the page from then on', async () => {
    const [{ name } = {}] = await server.sql(`select name from scope where name like 'flood:%' order by resource_server_id desc limit 1`);
    assert(!(await owner.browser.open(NEW_CLIENT)).html.includes(`"${name}"`));
    const form = await owner.browser.open(NEW_CLIENT);
    const made = await sendTo(form, NEW_CLIENT, { ...ANSWERS, scope: ['openid', String(name)] });
    const path = clientOn(made.html);
    assert.deepEqual(ticked((await owner.browser.open(path)).html), ['openid', name]);
  });
});
