import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { allowInsecureRequests, discovery, initiateDeviceAuthorization, None, pollDeviceAuthorizationGrant } from 'openid-client';
import { restoreClient, suspendClient } from '../../src/oauth/clients/store.ts';
import { deleteClient } from '../support/delete-client.ts';
import { approveDevice, beginDevice, createDeviceClient, DEVICE_GRANT, poll, pollError, typeCode } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { callApi, post, refresh, type TestClient, type Tokens } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { register } from '../support/registration.ts';
import { holdUses, setUses } from '../support/second-use.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('The device flow (RFC 8628)', () => {
  let server: TestServer;
  let client: TestClient;
  let credentials: { id: string; email: string; password: string };
  before(async () => {
    server = await startTestServer();
    client = await createDeviceClient(server);
    credentials = await server.createPerson();
  });
  after(() => server.close());

  const codesOf = (id: string) => countRows(server, `protocol_record where kind = 'DeviceCode' and account_id = $1`, [id]);
  const tokensOf = (id: string) => countRows(server, 'token where account_id = $1', [id]);
  const redeemed = async (device_code: string, who = client) => {
    const response = await poll(server, who, device_code);
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body as Tokens;
  };

  it('leads openid-client from the first request to a refreshed token, with a user at another browser', async () => {
    const config = await discovery(new URL(server.issuer), client.client_id, undefined, None(), { execute: [allowInsecureRequests] });
    const answer = await initiateDeviceAuthorization(config, { scope: 'openid profile offline_access' });
    assert.equal(answer.verification_uri, `${server.issuer}/device`);
    assert.equal(answer.verification_uri_complete, `${server.issuer}/device?user_code=${answer.user_code}`);
    assert.match(answer.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    assert.equal(answer.interval, 5);
    assert.equal(answer.expires_in, 600);
    const done = await approveDevice(server, answer.user_code, credentials);
    assert.match(done.html, /<h1>Go back to your device<\/h1>/);
    // The first poll would wait for the interval; here the user has already decided.
    const tokens = await pollDeviceAuthorizationGrant(config, { ...answer, interval: 0 });
    assert.equal(tokens.claims()?.sub, credentials.id);
    const events = await server.sql("select client_id, address from audit_event where account_id = $1 and type = 'device_connected'", [
      credentials.id,
    ]);
    assert.deepEqual(events, [{ client_id: client.client_id, address: '127.0.0.0/24' }]);
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 200);
    const next = await refresh(server, { ...client, client_secret: undefined as never }, String(tokens.refresh_token));
    assert.equal(next.status, 200);
  });

  it('works for a client that registered itself for it, public or with a secret', async () => {
    for (const token_endpoint_auth_method of ['none', 'client_secret_basic']) {
      const { client_id, client_secret } = await register(server, {
        grant_types: [DEVICE_GRANT],
        response_types: [],
        redirect_uris: undefined,
        token_endpoint_auth_method,
      });
      const own = { client_id, client_secret, redirect_uri: '' };
      const begun = await post(server, '/oauth/device_authorization', own, { scope: 'openid' });
      const { device_code, user_code } = (await begun.json()) as { device_code: string; user_code: string };
      assert.match((await typeCode(server, user_code)).html, /This app is not verified/);
      await approveDevice(server, user_code, credentials);
      const response = await post(server, '/oauth/token', own, { grant_type: DEVICE_GRANT, device_code });
      assert.equal(response.status, 200, token_endpoint_auth_method);
    }
  });

  it('refuses a client that did not register for it', async () => {
    const other = await server.createClient();
    const response = await unchanged(server, () => post(server, '/oauth/device_authorization', other, { scope: 'openid' }));
    assert.equal(response.status, 400);
    assert.equal(((await response.json()) as { error: string }).error, 'invalid_request');
  });

  it('waits for the user, answers slow_down to a device that polls too soon, and gives tokens at once after the approval', async () => {
    const { device_code, user_code } = await beginDevice(server, client);
    assert.equal(await pollError(server, client, device_code), 'authorization_pending');
    assert.equal(await pollError(server, client, device_code), 'slow_down');
    assert.equal(await pollError(server, client, device_code), 'slow_down');
    await server.sql("update rate_limit set expires_at = now() - interval '1 second'");
    assert.equal(await pollError(server, client, device_code), 'authorization_pending');
    await approveDevice(server, user_code, credentials);
    assert.ok((await redeemed(device_code)).access_token);
  });

  it("expires by the database's clock, for the device and for the user", async () => {
    const { device_code, user_code } = await beginDevice(server, client);
    const page = await typeCode(server, user_code);
    // One more second of life, without the ten minutes for which the row outlives the code.
    await server.sql(
      "update protocol_record set expires_at = now() + interval '10 minutes' where kind = 'DeviceCode' and account_id is null",
    );
    assert.equal(await pollError(server, client, device_code), 'expired_token');
    await unchangedCodes(async () => {
      for (const late of [await typeCode(server, user_code), await page.submit({ decision: 'approve' })]) {
        assert.equal(late.response.status, 400);
        assert.match(late.html, /This code has expired/);
      }
    });
  });

  it('expires while a user signs in, and then gives nothing', async () => {
    const person = await server.createPerson();
    const { device_code, user_code } = await beginDevice(server, client);
    const consent = await (await (await typeCode(server, user_code)).submit({ decision: 'approve' })).submit(person);
    await server.sql(
      "update protocol_record set expires_at = now() + interval '10 minutes' where kind = 'DeviceCode' and account_id is null",
    );
    const late = await consent.submit({ decision: 'approve' });
    assert.equal(late.response.status, 400);
    assert.match(late.html, /This code has expired/);
    assert.equal(await pollError(server, client, device_code), 'expired_token');
    assert.deepEqual([await codesOf(person.id), await tokensOf(person.id)], [0, 0]);
    assert.equal(await countRows(server, "audit_event where account_id = $1 and type = 'device_connected'", [person.id]), 0);
  });

  it("answers access_denied at every poll after the user's denial, at either page", async () => {
    const denials = [
      async (code: string) => (await typeCode(server, code)).submit({ decision: 'deny' }),
      async (code: string) => (await typeCode(server, code)).submit({ decision: ['approve', 'deny'] }),
      async (code: string) => approveDevice(server, code, await server.createPerson(), undefined, 'deny'),
    ];
    for (const deny of denials) {
      const { device_code, user_code } = await beginDevice(server, client);
      const page = await deny(user_code);
      assert.match(page.html, /<h1>You denied the device<\/h1>/);
      assert.equal(page.response.status, 200);
      assert.equal(await pollError(server, client, device_code), 'access_denied');
      assert.equal(await pollError(server, client, device_code), 'access_denied');
      const again = await typeCode(server, user_code);
      assert.match(again.html, /This code was already used/);
    }
  });

  it('gives tokens to one of 50 parallel polls for one approved code', async () => {
    const person = await server.createPerson();
    const { device_code, user_code } = await beginDevice(server, client);
    await approveDevice(server, user_code, person);
    const answers = await Promise.all(Array.from({ length: 50 }, () => poll(server, client, device_code)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      assert.equal(answer.status, 400);
      assert.equal(((await answer.json()) as { error: string }).error, 'invalid_grant');
    }
    assert((await tokensOf(person.id)) <= 2, 'one access and one refresh token, unless a latecomer ended them');
  });

  it("ends its tokens, and no other device's, when a code is used again, like an authorization code (RFC 9700 section 4.14)", async () => {
    const [person, other] = [await server.createPerson(), await createDeviceClient(server)];
    const signIn = async () => {
      const { device_code, user_code } = await beginDevice(server, client);
      await approveDevice(server, user_code, person);
      return { device_code, ...(await redeemed(device_code)) };
    };
    const there = await signIn();
    for (const again of [
      async (code: string) => setUses(server, 1.1).then(() => pollError(server, client, code)),
      (code: string) => pollError(server, other, code),
    ]) {
      const here = await signIn();
      await holdUses(server);
      assert.equal(await pollError(server, client, here.device_code), 'invalid_grant');
      assert.equal((await callApi(server, '/api/me', here.access_token)).status, 200, 'at once, it ends nothing');
      assert.equal(await again(here.device_code), 'invalid_grant');
      assert.equal((await callApi(server, '/api/me', here.access_token)).status, 401);
      assert.equal(await tokensOf(person.id), 2, 'those of the other device');
    }
    assert.equal((await callApi(server, '/api/me', there.access_token)).status, 200);
  });

  it('ends its device, and no other, at the replay of a refresh token', async () => {
    const person = await server.createPerson();
    const [here, there] = await Promise.all(
      [0, 1].map(async () => {
        const { device_code, user_code } = await beginDevice(server, client);
        await approveDevice(server, user_code, person);
        return redeemed(device_code);
      }),
    );
    const use = (token: string | undefined) => refresh(server, client, String(token));
    const next = (await (await use(here?.refresh_token)).json()) as Tokens;
    assert.equal(((await (await use(here?.refresh_token)).json()) as Tokens).access_token, next.access_token);
    await setUses(server, 11);
    assert.equal((await use(here?.refresh_token)).status, 400);
    assert.equal((await use(next.refresh_token)).status, 400);
    assert.equal((await use(there?.refresh_token)).status, 200);
  });

  it('has one answer when an approval and a denial arrive at once', async () => {
    for (let round = 0; round < 5; round++) {
      const person = await server.createPerson();
      const { device_code, user_code } = await beginDevice(server, client);
      const consent = await (await (await typeCode(server, user_code)).submit({ decision: 'approve' })).submit(person);
      const other = await typeCode(server, user_code);
      const [yes, no] = await Promise.all([consent.submit({ decision: 'approve' }), other.submit({ decision: 'deny' })]);
      const outcome = await poll(server, client, device_code);
      const [said, refused] = [/Go back to your device/.test(yes.html), /You denied the device/.test(no.html)];
      assert.equal([said, refused].filter(Boolean).length, 1, `${yes.html}\n${no.html}`);
      assert.equal(outcome.status, said ? 200 : 400);
      for (const page of [yes, no]) assert(page.response.status < 500);
      assert.equal(await tokensOf(person.id), said ? 2 : 0);
    }
  });

  it("counts the first of two users' answers, and tells the other", async () => {
    const [one, two] = [await server.createPerson(), await server.createPerson()];
    const { device_code, user_code } = await beginDevice(server, client);
    const pages = await Promise.all(
      [one, two].map(async (person) => (await (await typeCode(server, user_code)).submit({ decision: 'approve' })).submit(person)),
    );
    const ends = await Promise.all(pages.map((page) => page.submit({ decision: 'approve' })));
    const won = ends.findIndex(({ html }) => /Go back to your device/.test(html));
    const lost = ends[1 - won];
    assert(won >= 0);
    assert.equal(lost?.response.status, 400);
    assert.match(String(lost?.html), /already used/);
    const { access_token } = await redeemed(device_code);
    const me = (await (await callApi(server, '/api/me', access_token)).json()) as { id: string };
    assert.equal(me.id, [one, two][won]?.id);
  });

  it("refuses another client's poll, and still works for its own client", async () => {
    const other = await createDeviceClient(server);
    const { device_code, user_code } = await beginDevice(server, client);
    assert.equal(await pollError(server, other, device_code), 'invalid_grant');
    await approveDevice(server, user_code, credentials);
    assert.equal(await pollError(server, other, device_code), 'invalid_grant');
    assert.ok((await redeemed(device_code)).access_token);
  });

  it('ends with its client: the user reads so, and the device gets nothing', async () => {
    const own = await createDeviceClient(server);
    const { user_code } = await beginDevice(server, own);
    const person = await server.createPerson();
    const consent = await (await (await typeCode(server, user_code)).submit({ decision: 'approve' })).submit(person);
    const confirm = await typeCode(server, user_code);
    await deleteClient(server, own.client_id);
    for (const page of [
      await consent.submit({ decision: 'approve' }),
      await confirm.submit({ decision: 'approve' }),
      await typeCode(server, user_code),
    ]) {
      assert.equal(page.response.status, 400, page.html);
      assert.match(page.html, /<h1>/);
    }
    assert.deepEqual([await codesOf(person.id), await tokensOf(person.id)], [0, 0]);
  });

  it('gives its interaction only a digest, which nobody can use as a code (another process continues from it)', async () => {
    const { device_code, user_code } = await beginDevice(server, client);
    await (await typeCode(server, user_code)).submit({ decision: 'approve' });
    const key = createHash('sha256').update(device_code).digest('hex');
    assert.equal(await countRows(server, `protocol_record where kind = 'Interaction' and payload->>'deviceCode' = $1`, [key]), 1);
    for (const presented of [key, `.${key}`, `\\x${key}`, Buffer.from(key, 'hex').toString('base64url')])
      assert.equal(await pollError(server, client, presented), 'invalid_grant');
  });

  it("of a suspended client waits for the client's return, and accepts no answer meanwhile", async () => {
    const own = await createDeviceClient(server);
    const [waiting, answered] = [await beginDevice(server, own), await beginDevice(server, own)];
    const consent = await (await (await typeCode(server, answered.user_code)).submit({ decision: 'approve' })).submit(credentials);
    await server.database.query(suspendClient(own.client_id));
    await eventually('the node hears of it', async () => (await poll(server, own, waiting.device_code)).status === 401);
    assert.equal((await consent.submit({ decision: 'approve' })).response.status, 400);
    await server.database.query(restoreClient(own.client_id));
    await eventually('and that it is back', async () => (await poll(server, own, waiting.device_code)).status === 400);
    assert.equal(await pollError(server, own, waiting.device_code), 'slow_down');
    assert.equal(await pollError(server, own, answered.device_code), 'authorization_pending');
    assert.equal(await countRows(server, 'token where client_id = $1', [own.client_id]), 0);
  });

  it('outlives the browser that answered, and ends with its grant', async () => {
    const person = await server.createPerson();
    const browser = new Person(server.issuer);
    const { device_code, user_code } = await beginDevice(server, client, { scope: 'openid profile' });
    await approveDevice(server, user_code, person, browser);
    const { access_token } = await redeemed(device_code);
    await (await browser.open('/oauth/logout')).submit({ logout: 'yes' });
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 0);
    assert.equal((await callApi(server, '/api/me', access_token)).status, 200);
    await server.sql('delete from grant_record where account_id = $1', [person.id]);
    assert.equal((await callApi(server, '/api/me', access_token)).status, 401);
    assert.equal(await codesOf(person.id), 0, 'and the code goes along');
  });

  it('can be revoked while its approved code is not redeemed yet', async () => {
    const person = await server.createPerson();
    const { device_code, user_code } = await beginDevice(server, client);
    await approveDevice(server, user_code, person);
    await server.sql('delete from grant_record where account_id = $1', [person.id]);
    assert.equal(await pollError(server, client, device_code), 'invalid_grant');
  });

  it('gives a token for a resource that the device names (RFC 8707)', async () => {
    const resource = `${server.issuer}/api/posts`;
    const { device_code, user_code } = await beginDevice(server, client, { scope: 'posts:read', resource });
    await approveDevice(server, user_code, credentials);
    const { access_token, scope } = await redeemed(device_code);
    assert.equal(scope, 'posts:read');
    assert.equal((await callApi(server, '/api/posts', access_token)).status, 200);
  });

  /** Runs an action, and asserts that it changes no device code. */
  async function unchangedCodes(act: () => Promise<void>): Promise<void> {
    const codes = () => server.sql(`select t::text from protocol_record t where kind = 'DeviceCode' order by 1`);
    const before = await codes();
    await act();
    assert.deepEqual(await codes(), before);
  }
});
