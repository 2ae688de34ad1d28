import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createDeviceClient, DEVICE_GRANT, typeCode } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { countRows } from '../support/storage.ts';

// As sent: percent-encoded, or unencoded.
const RAW = ['%00', '%ED%A0%80', '%zz', '%FF%FE', '<script>', '%E2%80%AEgnp', '{}', '-1', 'x'.repeat(10_000)];
const PARAMETERS = [
  'scope',
  'resource',
  'nonce',
  'claims',
  'acr_values',
  'max_age',
  'login_hint',
  'ui_locales',
  'id_token_hint',
  'client_id',
  'state',
  'redirect_uri',
  'prompt',
  'user_code',
  'request',
  'request_uri',
];

describe("A stranger's input in the device flow", () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await createDeviceClient(server);
  });
  after(() => server.close());

  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    server.send(server.issuer + path, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    });

  it('is refused in the first request as a client error, or shown as text on the page', async () => {
    for (const name of PARAMETERS)
      for (const raw of RAW) {
        const fields = new URLSearchParams({ client_id: client.client_id, scope: 'openid' });
        fields.delete(name);
        const response = await post('/oauth/device_authorization', `${fields}&${name}=${raw}`);
        const what = `${name}=${raw.slice(0, 20)}: ${response.status}`;
        assert(response.status < 500, what);
        const body = (await response.json()) as { user_code?: string; error?: string };
        if (response.status !== 200) {
          assert(body.error, what);
          continue;
        }
        const page = await typeCode(server, String(body.user_code));
        const next = await page.submit({ decision: 'approve' });
        assert(next.response.status < 500, what);
        assert.doesNotMatch(page.html + next.html, /<script(?![^>]* src="\/assets\/)/, what);
      }
    assert.equal(await countRows(server, 'token'), 0);
  });

  it('is refused when it polls for tokens, and in parameter names', async () => {
    const counted = await countRows(server, 'rate_limit');
    for (const raw of [...RAW, ''])
      for (const body of [`device_code=${raw}`, `device_code=x&${raw}=x`, `device_code=x&device_code=${raw}`]) {
        const response = await post('/oauth/token', `client_id=${client.client_id}&grant_type=${encodeURIComponent(DEVICE_GRANT)}&${body}`);
        assert.equal(response.status, 400, body.slice(0, 40));
        assert.match(((await response.json()) as { error: string }).error, /^invalid_(grant|request)$/);
      }
    assert.equal(await countRows(server, 'rate_limit'), counted, 'an unknown code has no pace to keep');
  });

  it("is harmless in a browser's User-Agent, at any length", async () => {
    for (const agent of ['', 'x'.repeat(8_000), '\xff\xfe', '<script>alert(1)</script>', 'Mozilla/5.0 (<b>; "x) Chrome/1']) {
      const response = await post('/oauth/device_authorization', `client_id=${client.client_id}&scope=openid`, { 'user-agent': agent });
      assert.equal(response.status, 200, agent.slice(0, 20));
      const { user_code } = (await response.json()) as { user_code: string };
      const { html } = await typeCode(server, user_code);
      assert.match(html, /name="decision"/);
      assert.doesNotMatch(html, /<script|<b>/);
    }
  });
});
