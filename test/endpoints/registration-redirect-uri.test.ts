import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isOwnOrigin } from '../../src/oauth/clients/hosts.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { askToRegister, METADATA, manage, register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

/** Redirect URIs that no client may register, and why. */
const REFUSED: Record<string, string[]> = {
  'plain http': [
    'http://walk.example/cb',
    'HTTP://walk.example/cb',
    'http://127.0.0.1.evil.example/cb',
    'http://localhost.evil.example/cb',
  ],
  'a scheme that browsers or operating systems handle themselves': [
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
    // These names occur only in the server's own list.
    'jar:https://walk.example/x.jar!/cb',
    'filesystem:https://walk.example/temporary/x',
    'mhtml:https://walk.example/x',
    'livescript:x',
    'wyciwyg://walk.example/',
    'feed:javascript:alert(1)',
    'chrome-extension://abcdefgh/cb',
    'moz-extension://abcdefgh/cb',
    'safari-web-extension://abcdefgh/cb',
    'microsoft-edge:https://walk.example/',
    'googlechromes://walk.example/cb',
    'ms-settings:privacy',
    'MS-Word:ofe|u|https://walk.example/x.docx',
    'ms-made-up://cb',
    'search-ms:query=x',
    'x-apple.systempreferences:com.apple.preference',
    'itms-services://?action=download-manifest',
    'intent://walk.example/cb',
    'android-app://com.example/cb',
    'market://details',
    'web+walk://cb',
    'ext+walk:cb',
    'sms:+8210',
    'tel:+8210',
    'ftp://walk.example/cb',
    'wss://walk.example/cb',
    'ldap://walk.example/cb',
    'ssh://walk.example/cb',
    'urn:ietf:wg:oauth:2.0:oob',
    'z39.50s://walk.example/cb',
    'c:/walk/cb',
  ],
  'a scheme with nothing behind it': ['walk:', 'walk://', 'walk:?x=1'],
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
  'an invalid host name': [
    "https://a';alert(1)//.example/cb",
    ...[';', ',', "'", '_', '!', '$', '(', '&', '=', '~', '%41'].map((sign) => `https://a${sign}b.example/cb`),
    'https://-a.example/cb',
    'https://a-.example/cb',
    'https://a..example/cb',
    'https://.example/cb',
    'https://walk.example./cb',
    `https://${'a'.repeat(64)}.example/cb`,
    `https://${'a.'.repeat(127)}example/cb`,
    'https://0x7f.1/cb',
    'https://2130706433/cb',
    'https://[0:0:0:0:0:0:0:1]/cb',
    'http://127.1/cb',
    "walk://a';alert(1)/cb",
    'walk://a%41/cb',
  ],
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
    it(`refuses ${what}, for web and native apps, alone and beside a valid one`, async () => {
      for (const uri of uris)
        for (const application_type of ['web', 'native']) {
          await refused({ redirect_uris: [uri], application_type });
          await refused({
            redirect_uris: ['https://walk.example/cb', 'com.example.walk:/cb', uri],
            application_type,
          });
        }
    });
  }

  it("accepts an app's own scheme with a reversed domain or a path, and registers the client as native", async () => {
    for (const uri of [
      'com.example.walk:/cb',
      'com.example.walk:',
      'walk:/cb',
      'walk://cb',
      'Walk.Club://cb',
      'vscode-insiders://walk.walk/cb',
      'zed://walk/oauth',
      'walk:cb',
    ])
      for (const said of [{}, { application_type: 'web' }, { application_type: 'native' }, { application_type: 'browser' }])
        assert.equal((await register(server, { ...said, redirect_uris: [uri] }))['application_type'], 'native', uri);
    await refused({ redirect_uris: ['walk://user@cb/'] });
    await refused({ redirect_uris: ['walk://cb/../x'] });
  });

  it('accepts loopback addresses: a web client with a secret is in development, one without is an app on a device', async () => {
    for (const uri of ['http://127.0.0.1/cb', 'http://localhost:8080/cb', 'http://[::1]/cb', 'http://localhost']) {
      const { application_type, client_secret } = await register(server, { redirect_uris: [uri] });
      assert.deepEqual([application_type, typeof client_secret], ['web', 'string'], uri);
      const secretless = { redirect_uris: [uri], token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] };
      assert.equal((await register(server, secretless))['application_type'], 'native');
      assert.equal((await register(server, { ...secretless, application_type: 'web' }))['application_type'], 'web');
      assert.equal((await register(server, { redirect_uris: [uri], application_type: 'native' }))['application_type'], 'native');
    }
    assert.equal((await register(server))['application_type'], 'web');
    for (const host of ['127.0.0.2', '0.0.0.0', 'localhost.evil.example', 'app.localhost', '127.0.0.1.nip.example'])
      await refused({ redirect_uris: [`http://${host}/cb`] });
  });

  it('accepts https, loopback addresses and own schemes together', async () => {
    const redirect_uris = ['https://walk.example/cb', 'http://127.0.0.1/', 'http://127.0.0.1:33418/', 'walk://cb', 'https://localhost/cb'];
    const secretless = { token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] };
    assert.deepEqual((await register(server, { ...secretless, redirect_uris }))['redirect_uris'], redirect_uris);
    const mixed = await register(server, { redirect_uris: redirect_uris.slice(0, 2) });
    assert.equal(mixed['application_type'], 'web');
  });

  it('refuses http addresses of private networks and addresses of this server: only an operator knows that network', async () => {
    for (const host of ['grafana', 'grafana.lan:3000', 'grafana.internal', '10.1.2.3', '192.168.0.1', '[fd00::1]'])
      await refused({ redirect_uris: [`http://${host}/cb`] });
  });

  it('refuses addresses of this server under any of its names, for responses, after a sign-out, and as an origin', async () => {
    const { port } = new URL(server.issuer);
    for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '[::1]'])
      for (const path of ['/account/signed-in', '/account/password', '/upstream/x/callback', '/developer/try/callback?x', '/cb', '/', ''])
        for (const scheme of ['http', 'https']) {
          const uri = `${scheme}://${host}:${port}${path}`;
          for (const application_type of ['web', 'native']) await refused({ redirect_uris: [uri], application_type });
          await refused({ post_logout_redirect_uris: [uri] });
        }
    await refused({ post_logout_redirect_uris: [`${server.issuer}/developer/try/callback`] });
    for (const origin of [server.issuer, `https://localhost:${port}`, `http://127.0.0.1:${port}`, `http://app.localhost:${port}`])
      await refused({ allowed_origins: [origin] });
    for (const path of ['', '/', '/cb']) {
      for (const uri of [
        `https://id.example${path}`,
        `https://id.example:443${path}`,
        `https://ID.example.${path}`,
        `http://id.example${path}`,
      ])
        assert.equal(isOwnOrigin(uri, ['https://id.example']), true, uri);
      for (const uri of [
        `https://id.example:8443${path}`,
        `https://app.id.example${path}`,
        `https://id.example.org${path}`,
        `walk://id.example${path}`,
      ])
        assert.equal(isOwnOrigin(uri, ['https://id.example']), false, uri);
    }
  });

  it('refuses a page of this server by a loopback address whose port may differ', async () => {
    const { client_id } = await register(server, {
      redirect_uris: ['http://127.0.0.1/account/password'],
      token_endpoint_auth_method: 'none',
    });
    const ask = (redirect_uri: string) =>
      fetch(`${server.issuer}/oauth/authorize?${new URLSearchParams({ client_id, redirect_uri, response_type: 'code', prompt: 'none' })}`, {
        redirect: 'manual',
      });
    const own = await ask(`http://127.0.0.1:${new URL(server.issuer).port}/account/password`);
    assert.equal(own.status, 400);
    assert.equal(own.headers.get('location'), null);
    const elsewhere = await ask('http://127.0.0.1:9/account/password');
    assert.match(String(elsewhere.headers.get('location')), /^http:\/\/127\.0\.0\.1:9\/account\/password\?error=/);
  });

  it('lets a client that has an address from before host checks keep it and change other metadata', async () => {
    const client = await register(server);
    const uri = 'https://my_app.example/cb';
    await server.sql(`update client set metadata = jsonb_set(metadata, '{redirect_uris}', $2::jsonb) where id = $1`, [
      client.client_id,
      JSON.stringify([uri]),
    ]);
    const change = (redirect_uris: string[]) =>
      manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id, client_name: 'Other', redirect_uris });
    await eventually('the node has heard of it', async () => {
      const answer = await change([uri]);
      if (answer.status === 200) Object.assign(client, await answer.json());
      return answer.status === 200;
    });
    assert.deepEqual([client['redirect_uris'], client['client_name']], [[uri], 'Other']);
    assert.equal((await unchanged(server, () => change([uri, 'https://my_other.example/cb']))).status, 400);
  });

  it('names the wrong address by its index, the received value, and a correct form', async () => {
    const said = async (uri: string, member = 'redirect_uris') => {
      const response = await askToRegister(server, { ...METADATA, [member]: ['https://walk.example/cb', uri] });
      return (await response.json()) as { error: string; error_description: string };
    };
    assert.deepEqual(await said('http://walk.example/cb'), {
      error: 'invalid_redirect_uri',
      error_description:
        'redirect_uris[1]: http://walk.example/cb must use https; http is allowed on localhost, 127.0.0.1 and [::1], on any port. Right would be https://walk.example/cb',
    });
    assert.match((await said('walk:')).error_description, /^redirect_uris\[1\]: walk: must have .* Right would be walk:\/callback$/);
    const secret = await said('https://me:hidden@walk.example/cb');
    assert.match(secret.error_description, /^redirect_uris\[1\]: https:\/\/\.\.\.@walk\.example\/cb must not contain a user name/);
    assert.doesNotMatch(secret.error_description, /hidden/);
    const hostile = await said(`https://walk.example/"\u202e\\${'x'.repeat(500)}`);
    assert.match(hostile.error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,399}$/, 'RFC 6749 section 5.2');
    const { error, error_description } = await said('http://walk.example/bye', 'post_logout_redirect_uris');
    assert.deepEqual([error, error_description.slice(0, 28)], ['invalid_client_metadata', 'post_logout_redirect_uris[1]']);
  });

  it('checks post-logout redirect URIs in the same way', async () => {
    for (const uri of ['javascript:alert(1)', 'http://walk.example/', 'https://walk.example/#x', 'https://u@walk.example/'])
      await refused({ post_logout_redirect_uris: [uri] });
    await register(server, { post_logout_redirect_uris: ['https://walk.example/bye'] });
  });

  it('accepts at most ten, of two thousand characters each, and only text', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `https://walk.example/${index}`);
    await refused({ redirect_uris: many(11) });
    await register(server, { redirect_uris: many(10) });
    await refused({ redirect_uris: [`https://walk.example/${'x'.repeat(2_000)}`] });
    for (const redirect_uris of ['https://walk.example/cb', [1], [null], [['https://walk.example/cb']], {}, null, []])
      await refused({ redirect_uris });
  });

  it('checks an update like a registration (RFC 7592 section 2.2)', async () => {
    const client = await register(server);
    for (const uri of ['http://walk.example/cb', 'javascript:alert(1)', 'https://walk.example/*'])
      await unchanged(server, async () => {
        const response = await manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id, redirect_uris: [uri] });
        assert.equal(response.status, 400, uri);
      });
  });
});
