import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { endSession } from '../../src/oauth/store/signed-in-browsers.ts';
import { ageSignIns, openAccount } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { approve, authorizePath, callApi, obtainTokens, pkce, type TestClient } from '../support/flow.ts';
import { holdTable } from '../support/lock.ts';
import { Person } from '../support/person.ts';

const DAY = 24 * 60 * 60;

describe("A session's limits and particulars (OWASP ASVS 7.3)", () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const path = (parameters: Record<string, string> = {}) => authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters });
  const sessionOf = async (id: string) =>
    (
      await server.sql(
        `select browser, address, extract(epoch from now() - created_at)::int as age, extract(epoch from now() - used_at)::int as unused,
          round(extract(epoch from expires_at - now()) / 86400, 1)::float8 as days from session where account_id = $1`,
        [id],
      )
    )[0];

  it('it ends 14 days after its last use', async () => {
    const person = await server.createPerson();
    const { person: browser } = await obtainTokens(server, client, person);
    assert.equal((await sessionOf(person.id))?.['days'], 14);
    await server.sql(
      `update session set expires_at = now() + interval '5 days', used_at = now() - interval '9 days' where account_id = $1`,
      [person.id],
    );
    await approve(server, browser, person, path());
    const { days, unused } = (await sessionOf(person.id)) ?? {};
    assert.deepEqual([days, Number(unused) < 60], [14, true]);
    await server.sql(`update session set expires_at = now() where account_id = $1`, [person.id]);
    assert.match((await browser.open('/account')).html, /name="password"/);
  });

  it('it ends 90 days after its person signed in, however much it is used, and whatever is allowed meanwhile', async () => {
    const person = await server.createPerson();
    const { person: browser } = await obtainTokens(server, client, person);
    await ageSignIns(server, 80 * DAY);
    await server.sql(
      `update session set created_at = created_at - interval '80 days', expires_at = now() + interval '1 day' where account_id = $1`,
      [person.id],
    );
    await approve(server, browser, person, path());
    assert.equal((await sessionOf(person.id))?.['days'], 10, 'by use');
    // A consent gives the session a new id, and so a new row.
    await approve(server, browser, person, path({ prompt: 'consent' }));
    const { days, age } = (await sessionOf(person.id)) ?? {};
    assert.deepEqual([days, Math.round(Number(age) / DAY)], [10, 80]);
    await approve(server, browser, person, path({ prompt: 'login' }));
    const anew = (await sessionOf(person.id)) ?? {};
    assert.deepEqual([anew['days'], Math.round(Number(anew['age']) / DAY)], [14, 0], 'signing in begins anew');
  });

  it('it is no younger than its sign-in after a consent that was left open for long', async () => {
    const person = await server.createPerson();
    const browser = new Person(server.issuer);
    const consent = await (await browser.open(path())).submit(person);
    await ageSignIns(server, 3_000);
    await server.sql(
      `update protocol_record set payload = jsonb_set(payload, '{lastSubmission,login,ts}', to_jsonb((payload#>>'{lastSubmission,login,ts}')::int - 3000)) where payload#>'{lastSubmission,login,ts}' is not null`,
    );
    await consent.submit({ decision: 'approve' });
    assert.match((await browser.open('/account/profile')).html, /name="password"/, 'a change asks for a sign-in');
  });

  it('it says from which browser and network it was used last', async () => {
    const person = await server.createPerson();
    const browser = new Person(server.issuer);
    browser.headers = {
      'user-agent':
        'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
    };
    await openAccount(server, person, '/account', browser);
    const row = (await sessionOf(person.id)) ?? {};
    assert.equal(row['browser'], 'Safari, iOS');
    assert.match(String(row['address']), /^(127\.0\.0\.0\/24|::\/48)$/);
    for (const agent of ['x'.repeat(3_000), '<script>alert(1)</script>']) {
      const other = new Person(server.issuer);
      other.headers = { 'user-agent': agent };
      const page = await openAccount(server, person, '/account/sessions', other);
      assert.doesNotMatch(page.html, /<script|x{20}/);
    }
  });

  it('it stays ended when a request was under way in it', async () => {
    const person = await server.createPerson();
    const { person: browser } = await obtainTokens(server, client, person);
    const [row] = await server.sql(`update session set expires_at = now() + interval '1 day' where account_id = $1 returning uid`, [
      person.id,
    ]);
    // It has read the session, and is about to write it along with its code.
    const lock = await holdTable(server.config.databaseUrl, 'authorization_code');
    const answer = browser.request(path());
    await lock.awaited(1);
    await server.database.transaction([endSession(person.id, String(row?.['uid']))]);
    await lock.release();
    await answer;
    assert.equal(await sessionOf(person.id), undefined);
  });

  /** A browser whose user is about to press Allow, which gives the session a new id; and the tokens that end with that session. */
  const aboutToAllow = async () => {
    const person = await server.createPerson();
    const tokens = await obtainTokens(server, client, person);
    const [row] = await server.sql('select uid from session where account_id = $1', [person.id]);
    const consent = await tokens.person.open(path({ prompt: 'consent' }));
    return { person, tokens, consent, uid: String(row?.['uid']) };
  };
  const assertEnded = async ({ person, tokens }: Awaited<ReturnType<typeof aboutToAllow>>) => {
    assert.equal(await sessionOf(person.id), undefined);
    assert.match((await tokens.person.open('/account')).html, /name="password"/);
    assert.equal((await callApi(server, '/oauth/userinfo', tokens.access_token)).status, 401);
  };

  it('it stays ended when its user presses Allow meanwhile, and the end is written first', async () => {
    const allowing = await aboutToAllow();
    const lock = await holdTable(server.config.databaseUrl, 'authorization_code');
    const answer = allowing.consent.submit({ decision: 'approve' });
    await lock.awaited(1);
    await server.database.transaction([endSession(allowing.person.id, allowing.uid)]);
    await lock.release();
    await answer;
    await assertEnded(allowing);
  });

  for (const by of ['sign-out in another tab', 'another browser'])
    it(`it ends when its user presses Allow meanwhile, and the new id is written before the end by ${by}`, async () => {
      const allowing = await aboutToAllow();
      const { tokens, consent, person, uid } = allowing;
      const signOut = await tokens.person.open('/oauth/logout');
      // The statement that writes the new id then waits: it has changed the row, and is not committed.
      await server.sql(`create table if not exists gate ();
        create or replace function wait_at_gate() returns trigger language plpgsql as 'begin lock table gate in row exclusive mode; return null; end';
        create or replace trigger gate after insert or update on session for each row execute function wait_at_gate()`);
      const lock = await holdTable(server.config.databaseUrl, 'gate');
      const answer = consent.submit({ decision: 'approve' });
      await lock.awaited(1);
      const ending =
        by === 'another browser' ? server.database.transaction([endSession(person.id, uid)]) : signOut.submit({ logout: 'yes' });
      await lock.awaited(2);
      await lock.release();
      await Promise.all([answer, ending]);
      await assertEnded(allowing);
    });
});
