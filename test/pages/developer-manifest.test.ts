import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { obtainTokens, post } from '../support/flow.ts';
import { comeToPortal, type Developer, fill, importManifest, madeOn, own } from '../support/owned-apis.ts';

const MANIFEST = {
  munjigi_manifest: 1,
  client_name: 'Moonlight',
  'client_name#ko': '달빛',
  redirect_uris: ['https://client.example/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'openid profile',
};

describe("A client's manifest", () => {
  let server: TestServer;
  let developer: Developer;

  before(async () => {
    server = await startTestServer();
    developer = await comeToPortal(server);
  });
  after(() => server.close());

  /** A client made of a manifest. */
  const imported = async (manifest: object = MANIFEST) => {
    const made = madeOn(await importManifest(developer, JSON.stringify(manifest)));
    return {
      ...made,
      redirect_uri: 'https://client.example/callback',
      path: `/developer/clients/${made.client_id}/manifest`,
    };
  };
  const stored = async (id: string) => (await server.sql('select * from client where id = $1', [id]))[0];
  const file = async (path: string) => (await developer.browser.request(`${path}/file`)).text();

  it('makes a client that works at once, when its owner has seen what it would be', async () => {
    const before = await server.sql('select count(*) from client');
    const seen = await fill(developer, '/developer/import', { text: JSON.stringify(MANIFEST) });
    assert.match(seen.html, /Moonlight[\s\S]*달빛/);
    assert.deepEqual(await server.sql('select count(*) from client'), before, 'to look makes nothing');
    const client = await imported();
    const row = await stored(client.client_id);
    assert.equal(row?.['registration'], 'dynamic');
    await obtainTokens(server, client, await server.createPerson(), { scope: 'openid profile' });
    assert.deepEqual((await eventsOf(server, developer.id)).slice(0, 1), ['client_made']);
  });

  it('has no secret in it and nobody, and brings back just what it took along', async () => {
    const client = await imported();
    const before = await stored(client.client_id);
    const text = await file(client.path);
    const said = JSON.parse(text) as Record<string, unknown>;
    assert.equal(said['munjigi_manifest'], 1);
    for (const [member, value] of Object.entries(MANIFEST)) assert.deepEqual(said[member], value);
    for (const hidden of [client.client_id, String(client.client_secret), developer.id, developer.email, 'secret"', 'owner'])
      assert(!text.includes(hidden), hidden);
    const same = await fill(developer, client.path, { text, apply: 'yes' });
    assert.match(same.html, /Nothing would change/);
    assert.deepEqual(await stored(client.client_id), before);
    const twin = await imported(said);
    assert.equal(await file(twin.path), text);
  });

  it('shows each member before and after, and changes nothing until it is applied', async () => {
    const client = await imported();
    const text = JSON.stringify({ ...MANIFEST, client_name: 'Sunlight', 'client_name#ko': undefined });
    const before = await stored(client.client_id);
    const seen = await fill(developer, client.path, { text });
    assert.match(seen.html, /<code>client_name<\/code>[\s\S]*Moonlight[\s\S]*Sunlight[\s\S]*client_name#ko[\s\S]*달빛[\s\S]*\(nothing\)/);
    assert.deepEqual(await stored(client.client_id), before);
    assert.equal((await fill(developer, client.path, { text, apply: 'yes' })).url.search, '?done');
    const metadata = (await stored(client.client_id))?.['metadata'] as Record<string, unknown>;
    assert.deepEqual([metadata['client_name'], 'client_name#ko' in metadata], ['Sunlight', false]);
    assert.deepEqual((await eventsOf(server, developer.id)).slice(0, 1), ['client_changed']);
    await obtainTokens(server, client, await server.createPerson(), { scope: 'openid profile' });
  });

  it('says which members mean nothing here, and goes on without them', async () => {
    const client = await imported({ ...MANIFEST, colour: 'blue' });
    const seen = await fill(developer, client.path, { text: JSON.stringify({ ...MANIFEST, colour: 'blue', backchannel_logout_uri: 'x' }) });
    assert.match(seen.html, /<code>colour<\/code>[\s\S]*<code>backchannel_logout_uri<\/code>/);
    assert.equal('colour' in Object((await stored(client.client_id))?.['metadata']), false);
  });

  const refused: [what: string, text: string, said: RegExp][] = [
    ...[
      'client_id',
      'client_secret',
      'introspects',
      'admin_scopes',
      'owners',
      'publisher',
      'services',
      'origins',
      'dynamically_registered',
      'constructor',
    ].map((member): [string, string, RegExp] => [
      `sets ${member}`,
      JSON.stringify({ ...MANIFEST, [member]: ['x'] }),
      new RegExp(`cannot set ${member}`),
    ]),
    ['sets __proto__', `{"munjigi_manifest":1,"__proto__":{"introspects":"x"}}`, /cannot set __proto__/],
    ['is no JSON', 'client_name: Moonlight', /not a JSON object/],
    ['is a list', '[]', /not a JSON object/],
    ['is null', 'null', /not a JSON object/],
    [
      'is of another version',
      JSON.stringify({ ...MANIFEST, munjigi_manifest: 2 }),
      /must say &quot;munjigi_manifest&quot;: 1|must say "munjigi_manifest": 1/,
    ],
    ['has NUL behind an escape', JSON.stringify({ ...MANIFEST, client_name: 'a\0b' }), /cannot be stored/],
    ['has half a character behind an escape', `{"munjigi_manifest":1,"client_name":"\\ud800"}`, /cannot be stored/],
    ['is nested without end', `{"munjigi_manifest":1,"jwks":${'['.repeat(7_000)}${']'.repeat(7_000)}}`, /too many levels/],
    ['is too long', JSON.stringify({ ...MANIFEST, client_name: 'x'.repeat(16_400) }), /16384 characters/],
    ['leads to a script', JSON.stringify({ ...MANIFEST, redirect_uris: ['java\tscript:alert(1)'] }), /settings are not valid/],
    ['leads nowhere', JSON.stringify({ ...MANIFEST, redirect_uris: ['https://client.example/#x'] }), /settings are not valid/],
    ['reorders the page', JSON.stringify({ ...MANIFEST, client_name: 'a\u202eb' }), /settings are not valid/],
    [
      'wants a grant that registration has not',
      JSON.stringify({ ...MANIFEST, grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:token-exchange'] }),
      /settings are not valid/,
    ],
    ['wants a scope that there is not', JSON.stringify({ ...MANIFEST, scope: 'openid nowhere' }), /settings are not valid/],
  ];
  for (const [what, text, said] of refused)
    it(`that ${what} makes nothing and changes nothing`, async () => {
      const client = await imported();
      const before = await server.sql('select * from client order by id');
      for (const path of ['/developer/import', client.path]) {
        const page = await fill(developer, path, { text, apply: 'yes' });
        assert.equal(page.response.status, 422, path);
        assert.match(page.html, said, path);
      }
      assert.deepEqual(await server.sql('select * from client order by id'), before);
    });

  it("is its owner's alone, to read and to bring", async () => {
    const client = await imported();
    const stranger = await comeToPortal(server);
    const before = await stored(client.client_id);
    for (const path of [client.path, `${client.path}/file`]) assert.equal((await stranger.browser.open(path)).response.status, 404);
    const page = await fill(stranger, client.path, { text: JSON.stringify({ ...MANIFEST, client_name: 'Mine' }), apply: 'yes' });
    assert.equal(page.response.status, 404);
    assert.deepEqual(await stored(client.client_id), before);
  });

  it('makes no client secret out of none, and brings nothing to a suspended client', async () => {
    const open = await imported({ ...MANIFEST, token_endpoint_auth_method: 'none' });
    assert.equal(open.client_secret, undefined);
    assert.match((await fill(developer, open.path, { text: JSON.stringify(MANIFEST), apply: 'yes' })).html, /needs a client secret/);
    const client = await imported();
    await server.sql('update client set suspended_at = now() where id = $1', [client.client_id]);
    const before = await stored(client.client_id);
    await eventually(
      'it is known to be suspended',
      async () => (await post(server, '/oauth/token', client, { grant_type: 'refresh_token' })).status === 401,
    );
    const page = await fill(developer, client.path, { text: JSON.stringify({ ...MANIFEST, client_name: 'Other' }), apply: 'yes' });
    assert.equal(page.response.status, 422);
    assert.deepEqual(await stored(client.client_id), before);
  });

  it('exports what an operator gave a client under no name', async () => {
    const { client_id } = await server.createClient({ introspects: server.issuer });
    await own(server, client_id, developer.id);
    const text = await file(`/developer/clients/${client_id}/manifest`);
    assert(!text.includes('introspects') && !text.includes(server.issuer));
  });
});
