import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { displayName, readableHost } from '../../src/oauth/clients/display-name.ts';
import { leadsToDevice } from '../../src/oauth/clients/redirect-uri.ts';

describe('The destination of a response', () => {
  it("is the user's own device for an app's scheme and for every spelling of a loopback address", () => {
    for (const uri of [
      'com.example.app:/callback',
      'http://127.0.0.1:49152/cb',
      'http://127.1/cb',
      'http://2130706433/cb',
      'http://LOCALHOST/cb',
      'http://app.localhost./cb',
      'http://[::1]:8080/cb',
      'http://[::ffff:127.0.0.1]/cb',
      'http://0.0.0.0/cb',
      'http://[::]/cb',
    ])
      assert.equal(leadsToDevice(uri), true, uri);
  });

  it('is the web for every other address, even a similar one', () => {
    for (const uri of [
      'https://app.example/cb',
      'https://localhost.example/cb',
      'https://notlocalhost/cb',
      // The host needs a TLS certificate, so another app cannot claim it.
      'https://localhost/cb',
      'https://127.9.9.9/cb',
      'https://127.0.0.1.example/cb',
      'https://128.0.0.1/cb',
      'https://[2001:db8::1]/cb',
    ])
      assert.equal(leadsToDevice(uri), false, uri);
  });

  it('is shown in its own script when it cannot be mistaken', () => {
    const host = (name: string) => new URL(`https://${name}/`).host;
    assert.equal(readableHost(host('문지기.한국')), '문지기.한국');
    assert.equal(readableHost(host('로그인.bank.example:8443')), '로그인.bank.example:8443');
    for (const name of ['bank.example', 'аррӏе.com', 'раypal.com', 'bücher.example', '문지기а.example', '銀行.example', 'xn--a.example'])
      assert.equal(readableHost(URL.parse(`https://${name}/`)?.host ?? name), undefined, name);
  });
});

describe('displayName()', () => {
  it('keeps names as written, and removes deceptive characters', () => {
    for (const [name, shown] of [
      ['Slack', 'Slack'],
      ['  달빛  앱 ', '달빛 앱'],
      ['👩‍🚀 Ⓐ', '👩‍🚀 Ⓐ'],
      ['a\u202eb\u2028c\u00add', 'ab cd'],
      ['\u0000', 'otherwise'],
      ['', 'otherwise'],
    ])
      assert.equal(displayName(name, 'otherwise'), shown, JSON.stringify(name));
    assert.equal([...displayName('🦊'.repeat(200), '')].length, 100);
  });
});
