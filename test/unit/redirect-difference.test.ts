import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Difference, differencesOf, nearestRedirectUri, presentable } from '../../src/oauth/clients/redirect-difference.ts';

describe('The difference between a received redirect URI and a registered one', () => {
  const registered = 'https://client.example/Callback?tenant=1';
  const cases: [string, Difference[]][] = [
    [registered, []],
    ['http://client.example/Callback?tenant=1', ['scheme']],
    ['https://other.example/Callback?tenant=1', ['host']],
    ['https://client.example:8443/Callback?tenant=1', ['port']],
    ['https://client.example/Callback/?tenant=1', ['trailing_slash']],
    ['https://client.example/callback?tenant=1', ['letter_case']],
    ['https://client.example/callback/?tenant=1', ['trailing_slash', 'letter_case']],
    ['https://client.example/other?tenant=1', ['path']],
    ['https://client.example/Callback', ['query']],
    ['https://client.example/Callback?tenant=1#', ['fragment']],
    ['https://me@client.example/Callback?tenant=1', ['user_info']],
    ['https://CLIENT.example:443/Callback?tenant=1', ['spelling']],
    ['client.example/Callback', ['unreadable']],
    ['\u0000', ['unreadable']],
  ];
  for (const [received, differences] of cases)
    it(`${JSON.stringify(received)}: ${differences.join(', ') || 'nothing'}`, () => {
      assert.deepEqual(differencesOf(received, registered), differences);
    });

  it('ignores the port and an empty path of a loopback address', () => {
    assert.deepEqual(differencesOf('http://localhost:5173/cb', 'http://localhost:3000/cb'), []);
    assert.deepEqual(differencesOf('http://localhost:5173', 'http://localhost/'), []);
    assert.deepEqual(differencesOf('http://localhost:5173/other', 'http://localhost:3000/cb'), ['path']);
    assert.deepEqual(differencesOf('http://127.0.0.1:5173/cb', 'http://localhost:3000/cb'), ['host']);
  });

  it('finds the registered address that the sender most likely meant', () => {
    const all = ['https://staging.client.example/callback', 'https://client.example/callback', 'com.example.app:/callback'];
    assert.equal(nearestRedirectUri('http://client.example/callback/', all)?.registered, all[1]);
    assert.equal(nearestRedirectUri('com.example.app:/back', all)?.registered, all[2]);
    assert.equal(nearestRedirectUri('https://client.example/', []), undefined);
  });

  it('shows a received address without values that may be secret', () => {
    assert.equal(
      presentable('https://me:pass@client.example/cb?token=abc&x=1&alone#frag', []),
      'https://…@client.example/cb?token=…&x=…&alone=…#…',
    );
    assert.equal(presentable(registered, [registered]), registered);
    assert.equal(presentable(`https://client.example/\u202e\n${'a'.repeat(1_000)}`, []).length, 501);
  });
});
