import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { act, look, signInAs, stateOf } from '../support/admin.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';

describe('The signing keys in administration', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const published = async () =>
    ((await (await fetch(`${server.issuer}/oauth/jwks`)).json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid).sort();
  const phases = (html: string) =>
    [...html.matchAll(/<code>([\w-]{16})<\/code> <span class="tag[^"]*">([^<]+)</g)].map(([, kid, phase]) => `${phase} ${kid}`);

  it('a rotation asks, says that what it makes is published now and signs in an hour, and so it is', async () => {
    const admin = await signInAs(server, 'admin');
    const before = await stateOf(server);
    const asked = await look(admin, '/admin/keys/rotate');
    assert.match(asked.html, /The next keys are published now and sign in one hour/);
    assert.deepEqual(await stateOf(server), before, 'to look at it makes nothing');
    const old = await published();
    const page = await act(admin, '/admin/keys/rotate');
    assert.equal(page.url.pathname, '/admin/keys');
    const next = phases(page.html).filter((key) => key.startsWith('Next'));
    assert.equal(next.length, 4);
    const signing = phases(page.html).filter((key) => key.startsWith('Signing'));
    assert.deepEqual(signing.map((key) => key.slice('Signing '.length)).sort(), old);
    const [row] = await server.sql(
      `select bool_and(active_at between now() + interval '59 minutes' and now() + interval '61 minutes') as soon from signing_key where active_at > now()`,
    );
    assert.equal(row?.['soon'], true);
    const kids = [...next.map((key) => key.slice('Next '.length)), ...old].sort();
    while (String(await published()) !== String(kids)) await new Promise((again) => setTimeout(again, 50));
    const again = await act(admin, '/admin/keys/rotate');
    assert.match(again.html, /The next keys are already waiting/);
    assert.equal((await server.sql('select 1 from signing_key')).length, 8);
  });

  it('a replacement at once says what is refused then, and takes the name of the place', async () => {
    const admin = await signInAs(server, 'admin');
    const asked = await look(admin, '/admin/keys/replace');
    assert.match(asked.html, /New keys sign at once, and all others are deleted/);
    assert.match(asked.html, /name="typed"/);
    const before = await stateOf(server);
    for (const typed of ['', 'yes', 'localhost']) assert.equal((await act(admin, '/admin/keys/replace', { typed })).response.status, 422);
    assert.deepEqual(await stateOf(server), before);
  });
});
