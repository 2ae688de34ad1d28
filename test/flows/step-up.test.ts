import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addPasskey, addTotp, ageSessions, forgetSteps, openAccount, options, totpCode } from '../support/factors.ts';
import { approve, authorizePath, type Credentials, pkce, redeem, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { beginReset, newestProof } from '../support/sign-up.ts';

const MFA = 'https://refeds.org/profile/mfa';
const SFA = 'https://refeds.org/profile/sfa';

describe('Step-up (RFC 9470), and sessions that owe a factor', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const path = (parameters: Record<string, string> = {}) => authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters });
  const codes = async (accountId: string) =>
    (await server.sql('select 1 from authorization_code where account_id = $1 and client_id = $2', [accountId, client.client_id])).length;

  /** The ID token's claims for an authorization request of a signed-in browser. */
  async function claimsOf(
    person: Person,
    credentials: Credentials,
    parameters: Record<string, string> = {},
    walk?: (page: Page) => Promise<Page>,
  ) {
    const { code_verifier, ...challenge } = pkce();
    const asked = authorizePath(client, { ...challenge, ...parameters });
    let answer: URLSearchParams;
    if (walk) {
      let page = await walk(await person.open(asked));
      if (page.html.includes('name="decision" value="approve"')) page = await page.submit({ decision: 'approve' });
      answer = page.url.searchParams;
    } else answer = await approve(server, person, credentials, asked);
    const code = answer.get('code');
    assert(code, `no code but ${answer}`);
    const tokens = (await (await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri })).json()) as {
      id_token: string;
    };
    return JSON.parse(Buffer.from(String(tokens.id_token.split('.')[1]), 'base64url').toString()) as {
      acr: string;
      amr: string[];
      auth_time: number;
    };
  }

  it('publish the supported contexts', async () => {
    const metadata = (await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()) as Record<string, unknown>;
    assert.deepEqual(metadata['acr_values_supported'], [SFA, MFA, 'phr']);
    for (const claim of ['acr', 'amr', 'auth_time']) assert((metadata['claims_supported'] as string[]).includes(claim), claim);
  });

  it('report a password alone', async () => {
    const claims = await claimsOf(new Person(server.issuer), await server.createPerson());
    assert.deepEqual([claims.acr, claims.amr], [SFA, ['pwd']]);
  });

  it('ask no browser again that has shown its factor, also for a weaker context', async () => {
    const credentials = await server.createPerson();
    const { person, secret } = await addTotp(server, credentials);
    assert.deepEqual((await claimsOf(person, credentials)).amr, ['pwd'], 'enrolling is not by itself a second factor');
    await forgetSteps(server, credentials.id);
    const shown = await claimsOf(person, credentials, { acr_values: MFA }, (page) => page.submit({ code: totpCode(secret) }));
    assert.deepEqual(shown.amr, ['pwd', 'otp', 'mfa']);
    assert.deepEqual((await claimsOf(person, credentials)).amr, ['pwd', 'otp', 'mfa']);
    assert.equal((await claimsOf(person, credentials, { acr_values: MFA, prompt: 'none' })).acr, MFA);
    assert.equal((await claimsOf(person, credentials, { acr_values: SFA })).acr, SFA, 'it has reached that too');
    assert.equal((await claimsOf(person, credentials, { acr_values: `phr ${MFA}` })).acr, MFA, 'the first that it has reached');
    assert.equal((await claimsOf(person, credentials, { acr_values: 'urn:nobody:knows' })).acr, MFA, 'a wish that nobody knows is left');
  });

  it("from before a factor's setup owe it: no code, no account page, and prompt=none says so", async () => {
    const credentials = await server.createPerson();
    const other = new Person(server.issuer);
    await approve(server, other, credentials, path());
    const { secret } = await addTotp(server, credentials);
    await forgetSteps(server, credentials.id);
    const before = await codes(credentials.id);
    const refused = await other.open(path({ prompt: 'none' }));
    assert.equal(refused.url.searchParams.get('error'), 'interaction_required');
    const asked = await other.open(path());
    assert.match(asked.html, /name="code"/);
    for (const page of ['/account/factors', '/account/factors/totp', '/account/factors/recovery-codes'])
      assert.match((await other.open(page)).html, /One more step/, page);
    assert.equal((await other.request('/account/factors')).status, 303);
    assert.equal(
      (await other.request('/account/factors/totp/remove', { method: 'POST', body: new URLSearchParams({ csrf: 'x' }) })).status,
      303,
    );
    assert.equal(await codes(credentials.id), before);
    assert.equal((await server.sql('select 1 from totp_factor where account_id = $1', [credentials.id])).length, 1);
    const shown = await asked.submit({ code: totpCode(secret) });
    assert(shown.url.searchParams.get('code'), 'consent was given before');
    assert.equal((await other.request('/account/factors')).status, 200);
  });

  it('let a user without two factors set one up when a client asks for two, and continue', async () => {
    const credentials = await server.createPerson();
    const person = new Person(server.issuer);
    const before = await codes(credentials.id);
    const page = await (await person.open(path({ acr_values: MFA }))).submit(credentials);
    assert.match(page.html, /A stronger sign-in is needed/);
    assert.match(page.html, /asks for a second factor, and you have none/);
    const none = await person.open(path({ acr_values: MFA, prompt: 'none' }));
    assert.equal(none.url.searchParams.get('error'), 'interaction_required');
    assert.equal((await person.open(page.url.pathname)).url.pathname, page.url.pathname, 'it still is');
    assert.equal(await codes(credentials.id), before);

    const { secret } = await addTotp(server, credentials, person);
    const asked = await person.open(page.url.pathname);
    assert.match(asked.html, /name="code"/, 'it is shown before it counts');
    await forgetSteps(server, credentials.id);
    const onwards = await asked.submit({ code: totpCode(secret) });
    assert.match(onwards.html, /value="approve"/);
    const answer = await onwards.submit({ decision: 'approve' });
    assert(answer.url.searchParams.get('code'));
  });

  it('let a user leave who lacks the requested factor, and the client gets the reason', async () => {
    const credentials = await server.createPerson();
    const page = await (await new Person(server.issuer).open(path({ acr_values: MFA }))).submit(credentials);
    const left = await page.submit({ decision: 'leave' });
    assert.equal(left.url.searchParams.get('error'), 'unmet_authentication_requirements');
    assert.equal(await codes(credentials.id), 0);
    await addTotp(server, credentials);
    const owing = await (await new Person(server.issuer).open(path())).submit(credentials);
    assert.equal((await owing.submit({ decision: 'leave' })).url.searchParams.get('error'), 'access_denied');
    assert.equal(await codes(credentials.id), 0);
  });

  it("for a passkey do not accept or offer the app's code", async () => {
    const credentials = await server.createPerson();
    const { person, secret } = await addTotp(server, credentials);
    await forgetSteps(server, credentials.id);
    await claimsOf(person, credentials, { acr_values: MFA }, (page) => page.submit({ code: totpCode(secret) }));
    const unmet = await person.open(path({ acr_values: 'phr' }));
    assert.match(unmet.html, /asks for a passkey, and you have none/);
    assert.doesNotMatch(unmet.html, /name="code"/);
    const { authenticator } = await addPasskey(server, credentials, person);
    const claims = await claimsOf(person, credentials, { acr_values: 'phr' }, async (page) => {
      assert.doesNotMatch(page.html, /name="code"|name="recovery_code"/);
      const refused = await page.submit({ code: '000000' });
      assert.equal(refused.response.status, 401);
      const credential = await authenticator.get(await options(person, `${page.url.pathname}/passkey`));
      return page.person.open(`${page.url.pathname}/passkey`, {
        method: 'POST',
        body: new URLSearchParams({ csrf: String(page.form().hidden['csrf']), credential }),
      });
    });
    assert.equal(claims.acr, 'phr');
    assert.deepEqual(claims.amr.toSorted(), ['mfa', 'otp', 'pop', 'pwd', 'user']);
  });

  it('ask for password and factor with max_age; prompt=none is login_required', async () => {
    const credentials = await server.createPerson();
    const { secret, person } = await addTotp(server, credentials);
    await claimsOf(person, credentials);
    await ageSessions(server, credentials.id, 600);
    const none = await person.open(path({ max_age: '300', prompt: 'none' }));
    assert.equal(none.url.searchParams.get('error'), 'login_required');
    const claims = await claimsOf(person, credentials, { max_age: '300' }, async (page) => {
      assert.match(page.html, /name="password"/);
      const factor = await page.submit(credentials);
      assert.match(factor.html, /name="code"/);
      await forgetSteps(server, credentials.id);
      return factor.submit({ code: totpCode(secret) });
    });
    assert(claims.auth_time > Date.now() / 1000 - 300);
    assert.equal(claims.acr, MFA);
  });

  it('do not make an older sign-in recent by a code', async () => {
    const credentials = await server.createPerson();
    const old = new Person(server.issuer);
    await approve(server, old, credentials, path());
    const { secret } = await addTotp(server, credentials);
    await forgetSteps(server, credentials.id);
    await ageSessions(server, credentials.id, 3_600);
    const claims = await claimsOf(old, credentials, { acr_values: MFA }, (page) => page.submit({ code: totpCode(secret) }));
    assert(claims.auth_time < Date.now() / 1000 - 3_000, 'the password is an hour old');
    const none = await old.open(path({ max_age: '300', prompt: 'none' }));
    assert.equal(none.url.searchParams.get('error'), 'login_required');
  });

  it('require a sign-in of the last five minutes to change factors, and not to view them', async () => {
    const credentials = await server.createPerson();
    const { secret, person } = await addTotp(server, credentials);
    const list = await person.open('/account/factors');
    await ageSessions(server, credentials.id, 600);
    assert.equal((await person.request('/account/factors')).status, 200);
    const body = new URLSearchParams({ csrf: String(list.form().hidden['csrf']) });
    const late = await person.open('/account/factors/totp/remove', { method: 'POST', body });
    assert.match(late.html, /name="password"/);
    assert.equal((await server.sql('select 1 from totp_factor where account_id = $1', [credentials.id])).length, 1);
    await forgetSteps(server, credentials.id);
    const back = await (await late.submit(credentials)).submit({ code: totpCode(secret) });
    assert.equal(back.url.href, `${server.issuer}/account/factors?again`);
    assert.match(back.html, /Nothing was changed yet/);
    for (const page of ['/account/factors/passkey', '/account/factors/recovery-codes', '/account/factors/passkey/options'])
      assert.equal((await person.request(page)).status, 200, page);
    await ageSessions(server, credentials.id, 600);
    for (const page of ['/account/factors/passkey', '/account/factors/recovery-codes', '/account/factors/passkey/options'])
      assert.equal((await person.request(page)).status, 303, page);
  });

  it('still require the factor after a password reset by mail', async () => {
    const credentials = await server.createPerson();
    const { secret } = await addTotp(server, credentials);
    await forgetSteps(server, credentials.id);
    const look = await beginReset(server, client, credentials.email);
    const choose = await look.submit({ code: (await newestProof(server, credentials.email)).code });
    const page = await choose.submit({ password: 'a lantern for the new gate' });
    assert.match(page.html, /name="code"/);
    assert.equal(await codes(credentials.id), 0);
    assert.match((await page.submit({ code: totpCode(secret) })).html, /value="approve"/);
  });

  it('bind a factor page to its user: a sign-in in another tab ends it', async () => {
    const [one, two] = [await server.createPerson(), await server.createPerson()];
    const { secret } = await addTotp(server, one);
    await forgetSteps(server, one.id);
    const page = await (await new Person(server.issuer).open(path())).submit(one);
    const between = await (await page.person.open(path({ prompt: 'login' }))).submit(two);
    await between.submit({});
    const refused = await page.submit({ code: totpCode(secret) });
    assert.equal(refused.response.status, 400);
    assert.equal((await server.sql('select last_step from totp_factor where account_id = $1', [one.id]))[0]?.['last_step'], '0');
    assert.equal(await codes(one.id), 0);
  });

  it('end nothing when a factor is set up: tokens and other sessions remain', async () => {
    const credentials = await server.createPerson();
    await approve(server, new Person(server.issuer), credentials, path());
    const before = await server.sql('select uid from session where account_id = $1', [credentials.id]);
    const grants = await server.sql('select id from grant_record where account_id = $1 and client_id = $2', [
      credentials.id,
      client.client_id,
    ]);
    const person = new Person(server.issuer);
    await openAccount(person, '/account/factors', credentials);
    await addTotp(server, credentials, person);
    const after = await server.sql('select uid from session where account_id = $1', [credentials.id]);
    assert(before.every(({ uid }) => after.some((session) => session['uid'] === uid)));
    assert.deepEqual(
      await server.sql('select id from grant_record where account_id = $1 and client_id = $2', [credentials.id, client.client_id]),
      grants,
    );
  });

  it('let password managers find the page for passkeys', async () => {
    const response = await fetch(`${server.issuer}/.well-known/passkey-endpoints`);
    assert.match(String(response.headers.get('content-type')), /^application\/json/);
    assert.deepEqual(await response.json(), {
      enroll: `${server.issuer}/account/factors/passkey`,
      manage: `${server.issuer}/account/factors`,
    });
  });
});
