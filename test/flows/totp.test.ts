import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TOTP, URI } from 'otpauth';
import { beginTotp, confirmTotp, verifyTotp } from '../../src/features/totp/totp.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addTotp, forgetSteps, openToAdd, secretOf, totpCode } from '../support/factors.ts';
import { authorizePath, obtainCode, pkce, redeem, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';

describe('An authenticator app (RFC 6238)', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const path = (parameters: Record<string, string> = {}) => authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters });
  const openFactor = async (person: { email: string; password: string }, browser = new Person(server.issuer)) =>
    (await browser.open(path())).submit({ email: person.email, password: person.password });
  const step = async (accountId: string) =>
    (await server.sql('select last_step from totp_factor where account_id = $1', [accountId]))[0]?.['last_step'];

  it('is set up by a QR code or its letters, and stored after a first code has proven it', async () => {
    const person = await server.createPerson();
    const page = await openToAdd(server, new Person(server.issuer), '/account/factors/totp', person);
    const uri = /<a class="button wide" href="(otpauth:[^"]+)"/.exec(page.html)?.[1]?.replaceAll('&amp;', '&');
    const app = URI.parse(String(uri)) as TOTP;
    assert.equal(app.secret.base32, secretOf(page));
    assert.deepEqual([app.algorithm, app.digits, app.period, app.label], ['SHA1', 6, 30, person.email]);
    assert.match(page.html, /<svg xmlns/);
    assert.deepEqual(await server.sql('select 1 from totp_factor'), [], 'looking at it writes nothing');

    const wrong = await page.submit({ code: '12345' });
    assert.equal(wrong.response.status, 400);
    assert.equal(secretOf(wrong), secretOf(page), 'the same secret again');
    assert.deepEqual(await server.sql('select 1 from totp_factor'), []);

    const right = await wrong.submit({ code: app.generate() });
    assert.equal(right.url.search, '?done=totp_added');
    const [stored] = await server.sql('select secret, confirmed_at from totp_factor where account_id = $1', [person.id]);
    assert(stored?.['confirmed_at']);
    assert(!JSON.stringify(stored).includes(secretOf(page)), 'sealed');
    const events = await server.sql(`select type from audit_event where account_id = $1 and type like 'totp%'`, [person.id]);
    assert.deepEqual(events, [{ type: 'totp_added' }]);
  });

  it("is asked for after the password, and the client's ID token has amr and acr", async () => {
    const person = await server.createPerson();
    const { secret } = await addTotp(server, person);
    await forgetSteps(server, person.id);
    const { code_verifier, ...challenge } = pkce();
    let page = await (await new Person(server.issuer).open(authorizePath(client, challenge))).submit(person);
    assert.match(page.html, /name="code"/);
    assert.doesNotMatch(page.html, /name="decision" value="approve"/);
    page = await (await page.submit({ code: totpCode(secret) })).submit({ decision: 'approve' });
    const tokens = await redeem(server, client, {
      code: String(page.url.searchParams.get('code')),
      code_verifier,
      redirect_uri: client.redirect_uri,
    });
    const { id_token } = (await tokens.json()) as { id_token: string };
    const claims = JSON.parse(Buffer.from(String(id_token.split('.')[1]), 'base64url').toString());
    assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa']);
    assert.equal(claims.acr, 'https://refeds.org/profile/mfa');
    assert.equal(typeof claims.auth_time, 'number');
  });

  it('refuses a wrong code and says so; nothing changes, and the right one still works', async () => {
    const person = await server.createPerson();
    const { secret } = await addTotp(server, person);
    await forgetSteps(server, person.id);
    let page = await openFactor(person);
    for (const code of ['', '000', 'abcdef', '1'.repeat(60_000), `${totpCode(secret)}0`]) {
      page = await page.submit({ code });
      assert.equal(page.response.status, 401, code.slice(0, 10));
      assert.match(page.html, /The code is wrong/);
      await server.sql('delete from rate_limit');
    }
    assert.equal(await step(person.id), '0');
    const owing = await server.sql(
      `select 1 from session where account_id = $1 and payload->'amr' = '["pwd"]' and not payload ? 'enrolled'`,
      [person.id],
    );
    assert.equal(owing.length, 1, 'the session has shown no more than it had');
    assert.equal(
      (await server.sql('select 1 from authorization_code where account_id = $1 and client_id = $2', [person.id, client.client_id])).length,
      0,
    );
    const code = totpCode(secret);
    assert.match((await page.submit({ code: `${code.slice(0, 3)} ${code.slice(3)}` })).html, /name="decision" value="approve"/);
  });

  it('accepts a code once: a repetition and a code of an earlier step are refused', async () => {
    const person = await server.createPerson();
    const { secret } = await addTotp(server, person);
    await forgetSteps(server, person.id);
    const next = totpCode(secret, 1);
    assert.match((await (await openFactor(person)).submit({ code: next })).html, /value="approve"/);
    const used = await step(person.id);
    const again = await (await openFactor(person)).submit({ code: next });
    assert.equal(again.response.status, 401);
    assert.match(again.html, /already used/);
    const earlier = await (await openFactor(person)).submit({ code: totpCode(secret) });
    assert.equal(earlier.response.status, 401);
    assert.equal(await step(person.id), used);
  });

  it('accepts one of twenty equal codes that arrive at once', async () => {
    const person = await server.createPerson();
    const { secret } = await addTotp(server, person);
    await forgetSteps(server, person.id);
    const keyRing = new KeyRing(server.config.dataEncryptionKeys);
    const code = totpCode(secret);
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, () => verifyTotp(server.database, { keyRing, accountId: person.id, code })),
    );
    assert.equal(verdicts.filter(({ ok }) => ok).length, 1);
    assert(verdicts.every((verdict) => verdict.ok || verdict.reason === 'reused'));
  });

  it('accepts the codes of this step, the one before and the one after, and no other', async () => {
    const person = await server.createPerson();
    const keyRing = new KeyRing(server.config.dataEncryptionKeys);
    const enrolling = { keyRing, accountId: person.id, sessionUid: 's' };
    const now = new Date('2026-11-21T12:00:15Z');
    const clock = { now: () => now };
    const { sealed, secret } = beginTotp(enrolling, { issuer: 'i', label: 'l' }, clock);
    const codeAt = (steps: number) => new TOTP({ secret }).generate({ timestamp: now.getTime() + steps * 30_000 });
    assert.deepEqual(await confirmTotp(server.database, enrolling, { sealed, code: codeAt(-2) }, clock), { ok: false, reason: 'wrong' });
    assert.deepEqual(await confirmTotp(server.database, { ...enrolling, sessionUid: 'other' }, { sealed, code: codeAt(0) }, clock), {
      ok: false,
      reason: 'expired',
    });
    const late = { now: () => new Date(now.getTime() + 16 * 60_000) };
    assert.deepEqual(await confirmTotp(server.database, enrolling, { sealed, code: codeAt(32) }, late), { ok: false, reason: 'expired' });
    assert.deepEqual(await server.sql('select 1 from totp_factor where account_id = $1', [person.id]), []);
    assert.deepEqual(await confirmTotp(server.database, enrolling, { sealed, code: codeAt(-1) }, clock), { ok: true });
    for (const [steps, verdict] of [
      [-2, { ok: false, reason: 'wrong' }],
      [2, { ok: false, reason: 'wrong' }],
      [-1, { ok: false, reason: 'reused' }],
      [0, { ok: true }],
      [1, { ok: true }],
      [0, { ok: false, reason: 'reused' }],
    ] as const)
      assert.deepEqual(
        await verifyTotp(server.database, { keyRing, accountId: person.id, code: codeAt(steps) }, clock),
        verdict,
        `${steps}`,
      );
  });

  it('checks no more than the limit of 100 wrong codes at once (CVE-2025-64102)', async () => {
    const person = await server.createPerson();
    await addTotp(server, person);
    const page = await openFactor(person);
    const { action, hidden } = page.form();
    const before = await step(person.id);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () =>
        page.person.request(action, { method: 'POST', body: new URLSearchParams({ ...hidden, code: '000000' }) }),
      ),
    );
    const count = (status: number) => answers.filter((answer) => answer.status === status).length;
    assert.deepEqual([count(401), count(429)], [5, 95]);
    assert(Number(answers.find(({ status }) => status === 429)?.headers.get('retry-after')) > 0);
    const [looked] = await server.sql(`select count(*)::int as n from audit_event where account_id = $1 and type = 'factor_failed'`, [
      person.id,
    ]);
    assert.equal(looked?.['n'], 5);
    assert.equal(await step(person.id), before);
  });

  it('can be removed, and then the password is enough', async () => {
    const person = await server.createPerson();
    const { person: browser } = await addTotp(server, person);
    const list = await browser.open('/account/factors');
    const csrf = String(list.form().hidden['csrf']);
    const body = new URLSearchParams({ csrf });
    const removed = await browser.open('/account/factors/totp/remove', { method: 'POST', body });
    assert.equal(removed.url.search, '?done=totp_removed');
    assert.deepEqual(await server.sql('select 1 from totp_factor where account_id = $1', [person.id]), []);
    assert((await obtainCode(server, client, person)).code);
  });
});
