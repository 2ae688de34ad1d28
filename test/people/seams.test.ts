import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { beginDevice, createDeviceClient, poll, typeCode } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addTotp, forgetSteps, totpCode } from '../support/factors.ts';
import type { TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { beginReset, newcomer, newestProof, openPage } from '../support/sign-up.ts';
import { countRows } from '../support/storage.ts';

/** Where signing up and resetting meet the other ways in. */
describe('Signing up and resetting, beside devices and second factors', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  it('a device gets its token from somebody who signs up on the way, by code or by link (RFC 8628)', async () => {
    const tv = await createDeviceClient(server);
    for (const by of ['code', 'link'] as const) {
      const wish = newcomer();
      const { user_code, device_code } = await beginDevice(server, tv);
      const signIn = await (await typeCode(server, user_code)).submit({ decision: 'approve' });
      const look = await (await openPage(signIn, 'signup')).submit(wish);
      const proof = await newestProof(server, wish.email);
      const consent = by === 'code' ? await look.submit({ code: proof.code }) : await (await look.person.open(proof.link)).submit({});
      assert.match(consent.html, new RegExp(wish.email), by);
      await consent.submit({ decision: 'approve', scope: consent.optionalScopes });
      assert.equal((await poll(server, tv, device_code)).status, 200, by);
    }
  });

  it('a proof of the mail is one factor: who has a second one shows it after a reset, and is not signed in before', async () => {
    const person = await server.createPerson();
    const { secret } = await addTotp(server, person);
    await forgetSteps(server, person.id);
    const look = await beginReset(server, client, person.email);
    const page = await look.submit({ code: (await newestProof(server, person.email)).code });
    const factor = await page.submit({ password: 'a lantern for the new gate' });
    assert.match(factor.html, /autocomplete="one-time-code"/);
    assert.doesNotMatch(factor.html, /value="approve"/);
    const account = await factor.person.open('/account');
    assert.match(account.url.pathname, /^\/interaction\//, 'a session that owes a factor opens no page');
    assert.match((await factor.submit({ code: totpCode(secret) })).html, /value="approve"/);
    assert.equal(
      await countRows(server, 'totp_factor where account_id = $1 and confirmed_at is not null', [person.id]),
      1,
      'the factor is still there',
    );
  });

  it('/signup ends on the account page of who signed up', async () => {
    const wish = newcomer();
    const look = await (await new Person(server.issuer).open('/signup')).submit(wish);
    const account = await look.submit({ code: (await newestProof(server, wish.email)).code });
    assert.equal(account.url.pathname, '/account');
    assert.match(account.html, new RegExp(wish.email));
  });
});
