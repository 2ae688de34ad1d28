import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import bcrypt from 'bcrypt';
import { lookAtHashes } from '../../src/people/store.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { newcomer, openPage, openSignIn, PASSWORD } from '../support/sign-up.ts';

const TRIES = 80;

/** test/people compares the pages; this test compares response times (OWASP ASVS 5.0 section 6.3.8). */
describe('Response times do not reveal whether an account exists', () => {
  let server: TestServer;
  let client: TestClient;
  let known: string;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    known = (await server.createPerson()).email;
  });
  after(() => server.close());

  async function measure(page: Page, fields: (email: string) => Record<string, string>, status: number): Promise<Record<string, number>> {
    const { action, hidden } = page.form();
    const times: Record<string, number[]> = { known: [], unknown: [] };
    for (let n = 0; n < TRIES; n++)
      // Alternates, so that a busy machine slows both equally.
      for (const [whose, email] of n % 2
        ? ([
            ['known', known],
            ['unknown', newcomer().email],
          ] as const)
        : ([
            ['unknown', newcomer().email],
            ['known', known],
          ] as const)) {
        await server.sql('delete from rate_limit');
        // The server repeats its answer to a repeated form, so each form here is different.
        const begun = performance.now();
        const response = await page.person.request(action, {
          method: 'POST',
          body: new URLSearchParams({ ...hidden, ...fields(email), n: String(n) }),
        });
        await response.text();
        times[whose]?.push(performance.now() - begun);
        assert.equal(response.status, status);
      }
    return Object.fromEntries(Object.entries(times).map(([whose, all]) => [whose, all.sort((a, b) => a - b)[TRIES / 2] as number]));
  }

  const ways: Record<string, { page: string; fields: (email: string) => Record<string, string>; status: number }> = {
    'a wrong password': { page: 'login', fields: (email) => ({ email, password: 'not this one' }), status: 401 },
    'signing up': { page: 'signup', fields: (email) => ({ name: '홍길동', email, password: PASSWORD }), status: 303 },
    'asking for a new password': { page: 'reset', fields: (email) => ({ email }), status: 303 },
  };

  it("a wrong password of a user who moved in: the other server's hash costs the same as an unknown address", async () => {
    const moved = bcrypt.hashSync('four cranes over the river', 11);
    const [own] = await server.sql('select password_hash as hash from user_account where email = $1', [known]);
    await server.sql('update user_account set password_hash = $2 where email = $1', [known, moved]);
    await lookAtHashes(server.database);
    const signIn = await openSignIn(server, client, {}, new Person(server.issuer));
    const times = await measure(await openPage(signIn, 'login'), (email) => ({ email, password: 'not this one' }), 401);
    const [kept] = await server.sql('select password_hash as hash from user_account where email = $1', [known]);
    assert.equal(kept?.['hash'], moved, 'a wrong password replaces no hash');
    await server.sql('update user_account set password_hash = $2 where email = $1', [known, own?.['hash']]);
    await lookAtHashes(server.database);
    const { known: slow = 0, unknown = 0 } = times;
    console.log(`a wrong password of a user who moved in: known ${slow.toFixed(1)} ms, unknown ${unknown.toFixed(1)} ms`);
    assert(Math.max(slow, unknown) / Math.min(slow, unknown) < 1.5, `${slow} ms and ${unknown} ms`);
  });

  for (const [what, { page, fields, status }] of Object.entries(ways))
    it(`${what}: the medians of ${TRIES} tries are similar`, async () => {
      const signIn = await openSignIn(server, client, {}, new Person(server.issuer));
      const { known = 0, unknown = 0 } = await measure(await openPage(signIn, page), fields, status);
      console.log(`${what}: known ${known.toFixed(1)} ms, unknown ${unknown.toFixed(1)} ms`);
      assert(Math.max(known, unknown) / Math.min(known, unknown) < 1.5, `${known} ms and ${unknown} ms`);
    });
});
