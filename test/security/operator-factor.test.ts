import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { openAccount, signInIfAsked } from '../support/account.ts';
import { act, look, type Operator, showTwoFactors, signInAs } from '../support/admin.ts';
import { call, personToken, problemOf } from '../support/admin-api.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addPasskey, addTotp, forgetSteps, options, totpCode } from '../support/factors.ts';
import { Person } from '../support/person.ts';

const DAY = 24 * 60 * 60;

describe('Operators need two factors', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());
  beforeEach(() => server.sql("update user_account set role = 'user'"));

  /** A user with a role who signed in with a password only. */
  const byPassword = async (role: 'auditor' | 'support' | 'admin'): Promise<Operator> => {
    const account = await server.createPerson({ role });
    return { ...account, page: await openAccount(server, account, '/account/profile') };
  };
  const endGrace = (id: string) => server.sql("update user_account set factor_due_at = now() - interval '1 second' where id = $1", [id]);
  const dueIn = async (id: string): Promise<number> => {
    const [row] = await server.sql('select extract(epoch from factor_due_at - now())::float8 as left from user_account where id = $1', [
      id,
    ]);
    return Number(row?.['left']);
  };

  it('the first admin has seven days, and every page says how many are left', async () => {
    const admin = await byPassword('admin');
    for (const path of ['/admin', '/admin/people', '/admin/keys/rotate']) {
      const { status, html } = await look(admin, path);
      assert.equal(status, 200, path);
      assert.match(html, /Set up a second factor, such as a passkey, within 7 days\./, path);
      assert.match(html, new RegExp(`href="${server.issuer}/account/factors"`));
    }
    await server.sql("update user_account set factor_due_at = now() + interval '90 minutes' where id = $1", [admin.id]);
    assert.match((await look(admin, '/admin')).html, /within 1 day\./);
  });

  it('after those days a password opens no page and runs no act', async () => {
    const [admin, other] = [await byPassword('admin'), await server.createPerson()];
    await endGrace(admin.id);
    const { status, html } = await look(admin, '/admin/people');
    assert.equal(status, 403);
    assert.match(html, /Operators need a second factor/);
    assert.match(html, new RegExp(`<a class="button wide" href="${server.issuer}/account/factors">Set up a second factor</a>`));
    assert.doesNotMatch(html, new RegExp(other.email));
    assert.equal((await act(admin, `/admin/people/${other.id}/disable`)).response.status, 403);
    const [row] = await server.sql('select disabled_at from user_account where id = $1', [other.id]);
    assert.equal(row?.['disabled_at'], null);
  });

  it('every other operator owes the factor from the first day', async () => {
    await byPassword('admin');
    for (const role of ['admin', 'support', 'auditor'] as const) {
      const operator = await byPassword(role);
      assert.equal((await look(operator, '/admin')).status, 403, role);
      await showTwoFactors(server, operator.id);
      const { status, html } = await look(operator, '/admin');
      assert.equal(status, 200, role);
      assert.doesNotMatch(html, /Set up a second factor/);
    }
  });

  it('a support user or an auditor without an admin has no days of grace, nor when they become admin', async () => {
    for (const role of ['support', 'auditor'] as const) {
      const operator = await byPassword(role);
      assert.equal((await look(operator, '/admin')).status, 403, role);
      await server.sql("update user_account set role = 'admin' where id = $1", [operator.id]);
      assert.equal((await look(operator, '/admin')).status, 403, `${role} who became admin`);
      await server.sql("update user_account set role = 'user' where id = $1", [operator.id]);
    }
  });

  it('no change of the account restarts the days', async () => {
    const admin = await byPassword('admin');
    await server.sql('update user_account set factor_due_at = factor_due_at - make_interval(days => 3) where id = $1', [admin.id]);
    for (const change of ["name = 'Else'", "role = 'support'", "role = 'admin'", 'disabled_at = null'])
      await server.sql(`update user_account set ${change} where id = $1`, [admin.id]);
    assert.ok((await dueIn(admin.id)) < 4 * DAY + 60);
    // With another admin in place, nobody becomes the first one again.
    await signInAs(server, 'admin');
    for (const role of ['user', 'admin']) await server.sql('update user_account set role = $2::user_role where id = $1', [admin.id, role]);
    assert.equal((await look(admin, '/admin')).status, 403);
  });

  it('a user with a factor must present it, also in the days of grace', async () => {
    const admin = await byPassword('admin');
    const { secret } = await addTotp(server, admin);
    await forgetSteps(server, admin.id);
    const owed = await admin.page.person.open('/admin');
    assert.match(owed.html, /One more step/);
    const shown = await owed.submit({ code: totpCode(secret) });
    assert.equal(shown.url.pathname, '/admin');
    assert.doesNotMatch(shown.html, /Set up a second factor/);
  });

  it('a passkey alone is two factors', async () => {
    await signInAs(server, 'admin');
    const account = await server.createPerson({ role: 'support' });
    const { person, authenticator } = await addPasskey(server, account);
    // Enrolment is no sign-in: the user must present the new passkey first.
    const asked = await person.open('/admin');
    assert.match(asked.url.pathname, /^\/interaction\//);
    const credential = await authenticator.get(await options(person, `${asked.url.pathname}/passkey`));
    assert.equal((await asked.submit({ credential })).url.pathname, '/admin');
  });

  it('other users are not asked for it', async () => {
    const account = await server.createPerson();
    const page = await signInIfAsked(await new Person(server.issuer).open('/admin'), account);
    assert.equal(page.response.status, 404);
    assert.doesNotMatch(page.html, /factor/);
  });

  it('at the API a user with one factor is told what to ask for (RFC 9470)', async () => {
    await signInAs(server, 'admin');
    const { token, person } = await personToken(server, 'admin', undefined, 'a password');
    const other = await server.createPerson();
    for (const request of ['GET /people', `POST /people/${other.id}/disable`]) {
      const said = await call(server, token, request);
      assert.equal(said.status, 401, request);
      assert.equal(problemOf(said), 'insufficient_user_authentication');
      const challenge = said.headers.get('www-authenticate') ?? '';
      assert.match(challenge, /^Bearer error="insufficient_user_authentication", /);
      assert.match(challenge, / acr_values="https:\/\/refeds\.org\/profile\/mfa phr"/);
    }
    const [row] = await server.sql('select disabled_at from user_account where id = $1', [other.id]);
    assert.equal(row?.['disabled_at'], null);
    await showTwoFactors(server, person.id);
    assert.equal((await call(server, token, 'GET /people')).status, 200);
  });

  it('at the API the first admin has the same days', async () => {
    const { token, person } = await personToken(server, 'admin', undefined, 'a password');
    assert.equal((await call(server, token, 'GET /people')).status, 200);
    await endGrace(person.id);
    assert.equal((await call(server, token, 'GET /people')).status, 401);
  });

  it("a token from before the factor's setup stays weak", async () => {
    const { token, person } = await personToken(server, 'admin', undefined, 'a password');
    await addTotp(server, person);
    const said = await call(server, token, 'GET /people');
    assert.equal(problemOf(said), 'insufficient_user_authentication');
  });

  it('a token of a user without a role still lacks the scope', async () => {
    const { token } = await personToken(server, 'user');
    assert.equal(problemOf(await call(server, token, 'GET /people')), 'insufficient_scope');
  });
});
