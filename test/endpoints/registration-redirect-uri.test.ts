import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { askToRegister, METADATA, manage, register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

/** Redirect URIs that no client may register, and why not. */
const REFUSED: Record<string, string[]> = {
  'plain http': [
    'http://walk.example/cb',
    'HTTP://walk.example/cb',
    'http://127.0.0.1.evil.example/cb',
    'http://localhost.evil.example/cb',
  ],
  'a scheme that runs code or opens files': [
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java\tscript:alert(1)',
    ' javascript:alert(1)',
    '\u0001javascript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://walk.example/x',
    'about:blank',
    'view-source:https://walk.example/',
    'ws://walk.example/',
    'mailto:a@walk.example',
  ],
  'line breaks and other controls': [
    'https://walk.example/cb\r\nSet-Cookie: a=b',
    'https://walk.example/\tcb',
    'https://walk.example/\u0000',
    'https://walk.example/cb ',
  ],
  'a fragment': ['https://walk.example/cb#', 'https://walk.example/cb#x', 'com.example.walk:/cb#x'],
  'a user name or password': [
    'https://user@walk.example/cb',
    'https://user:pw@walk.example/cb',
    'https://@walk.example/cb',
    'https://walk.example@evil.example/cb',
  ],
  'a wildcard': ['https://*.walk.example/cb', 'https://walk.example/*', '*'],
  'a backslash': ['https://walk.example\\cb', 'https:\\\\walk.example/cb', 'https://evil.example\\@walk.example/cb'],
  'dot segments': [
    'https://walk.example/a/../cb',
    'https://walk.example/./cb',
    'https://walk.example/%2e%2e/cb',
    'https://walk.example/..;/cb',
    'https://walk.example/..',
  ],
  'a host that is not ASCII': ['https://wälk.example/cb', 'https://산책.example/cb', 'https://walk。example/cb'],
  'no absolute address': [
    '/cb',
    '//walk.example/cb',
    'walk.example/cb',
    '',
    'https://',
    'https:///cb',
    'https:walk.example/cb',
    'https:/walk.example/cb',
  ],
};

describe('Redirect URIs at registration (RFC 7591 section 5, RFC 8252 section 7)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const refused = (metadata: Record<string, unknown>) =>
    unchanged(server, async () => {
      const response = await askToRegister(server, { ...METADATA, ...metadata });
      const { error } = (await response.json()) as { error: string };
      assert.equal(response.status, 400, JSON.stringify(metadata));
      assert.match(error, /^invalid_(client_metadata|redirect_uri)$/);
    });

  for (const [what, uris] of Object.entries(REFUSED)) {
    it(`${what} is refused, for web and native apps, alone and beside a good one`, async () => {
      for (const uri of uris)
        for (const application_type of ['web', 'native']) {
          await refused({ redirect_uris: [uri], application_type });
          await refused({
            redirect_uris: [application_type === 'web' ? 'https://walk.example/cb' : 'com.example.walk:/cb', uri],
            application_type,
          });
        }
    });
  }

  it("a scheme of one's own has a dot, and belongs to native apps (RFC 8252 section 7.1)", async () => {
    await refused({ redirect_uris: ['walk:/cb'], application_type: 'native' });
    await refused({ redirect_uris: ['com.example.walk:/cb'], application_type: 'web' });
    assert.equal(
      (await register(server, { redirect_uris: ['com.example.walk:/cb'], application_type: 'native' }))['application_type'],
      'native',
    );
  });

  it('loopback is for native apps alone (RFC 8252 section 7.3)', async () => {
    for (const uri of ['http://127.0.0.1/cb', 'http://localhost:8080/cb', 'http://[::1]/cb']) {
      await refused({ redirect_uris: [uri], application_type: 'web' });
      await register(server, { redirect_uris: [uri], application_type: 'native' });
    }
    await refused({ redirect_uris: ['http://127.0.0.2/cb'], application_type: 'native' });
    await refused({ redirect_uris: ['http://192.168.0.1/cb'], application_type: 'native' });
  });

  it('a client that leads to an app on a device and says nothing else is native', async () => {
    for (const redirect_uris of [['http://127.0.0.1/cb'], ['http://localhost:1234/cb', 'com.example.walk:/cb']])
      assert.equal((await register(server, { redirect_uris }))['application_type'], 'native');
    assert.equal((await register(server))['application_type'], 'web');
    await refused({ redirect_uris: ['http://127.0.0.1/cb', 'https://walk.example/cb'] });
  });

  it('where to go after signing out is judged alike', async () => {
    for (const uri of ['javascript:alert(1)', 'http://walk.example/', 'https://walk.example/#x', 'https://u@walk.example/'])
      await refused({ post_logout_redirect_uris: [uri] });
    await register(server, { post_logout_redirect_uris: ['https://walk.example/bye'] });
  });

  it('there are ten at most, of two thousand characters at most, and they are text', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `https://walk.example/${index}`);
    await refused({ redirect_uris: many(11) });
    await register(server, { redirect_uris: many(10) });
    await refused({ redirect_uris: [`https://walk.example/${'x'.repeat(2_000)}`] });
    for (const redirect_uris of ['https://walk.example/cb', [1], [null], [['https://walk.example/cb']], {}, null, []])
      await refused({ redirect_uris });
  });

  it('an update is judged like a registration (RFC 7592 section 2.2)', async () => {
    const client = await register(server);
    for (const uri of ['http://walk.example/cb', 'javascript:alert(1)', 'https://walk.example/*'])
      await unchanged(server, async () => {
        const response = await manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id, redirect_uris: [uri] });
        assert.equal(response.status, 400, uri);
      });
  });
});
