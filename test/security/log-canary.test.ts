import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { linkOnce } from '../support/link-once.ts';
import { startUpstream, type TestUpstream } from '../support/upstream.ts';
import { liveOnce } from '../support/whole-flow.ts';

describe('The log gives nothing to steal', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let secrets: Record<string, string>;
  before(async () => {
    server = await startTestServer({ logLevel: 'trace' });
    upstream = await startUpstream();
    secrets = { ...(await liveOnce(server)), ...(await linkOnce(server, upstream)) };
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });

  it('it contains every request', () => {
    const events = server.logLines().map((line) => JSON.parse(line));
    for (const path of [
      '/oauth/token',
      '/oauth/introspect',
      '/oauth/register',
      '/oauth/register/:id',
      '/interaction/:uid',
      '/oauth/authorize/:id',
      '/account/links/far',
      '/upstream/far/callback',
    ])
      assert(
        events.some((event) => event.event === 'http_request' && event.path === path),
        path,
      );
    assert(
      events.some((event) => event.error === 'invalid_client'),
      'failures with their reason',
    );
  });

  it('it contains no token, code, secret, password, cookie, assertion or uid, not even a wrong one', () => {
    const found = server.logLines().flatMap((line) =>
      Object.entries(secrets)
        .filter(([, value]) =>
          [value, encodeURIComponent(value), Buffer.from(value).toString('base64')].some((spelling) => line.includes(spelling)),
        )
        .map(([name]) => `${name}: ${line}`),
    );
    assert.deepEqual(found, []);
  });

  it("a stranger's input cannot begin a line of its own", async () => {
    const before = server.logLines().length;
    await fetch(`${server.issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('a%0d%0a%7b%22level%22:b').toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'x\r\n{"level":"fatal"}', client_id: 'y\r\n{"level":"fatal"}' }),
    });
    await fetch(`${server.issuer}/%0d%0a%7B%22level%22:%22fatal%22%7D`);
    const lines = server.logLines().slice(before);
    assert.equal(lines.length, 2);
    for (const line of lines) {
      assert.equal(line.trimEnd().includes('\n'), false);
      assert.equal(JSON.parse(line).level, 'info');
    }
  });
});
