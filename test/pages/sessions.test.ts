import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { approve, authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';

describe("A browser's session", () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const path = (parameters: Record<string, string> = {}) => authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters });
  const cookie = (person: Person, name: string) =>
    person
      .cookies()
      .find((pair) => pair.startsWith(`${name}=`))
      ?.slice(name.length + 1);

  it('is never one that somebody else chose: an unknown one, rightly signed, is replaced at sign-in', async () => {
    const [attacker, victim] = [new Person(server.issuer), new Person(server.issuer)];
    await approve(server, attacker, await server.createPerson(), path());
    const [planted, signature] = [String(cookie(attacker, 'session')), String(cookie(attacker, 'session.sig'))];
    await server.sql('delete from session');

    victim.setCookie('session', planted);
    victim.setCookie('session.sig', signature);
    const person = await server.createPerson();
    await approve(server, victim, person, path());
    assert.notEqual(cookie(victim, 'session'), planted);
    assert.match((await attacker.open(path())).html, /name="password"/, 'what was planted opens nothing');
    assert.equal((await server.sql('select id from session where account_id = $1', [person.id])).length, 1);
  });

  it('has a new id after signing in again, and the old one opens nothing', async () => {
    const person = await server.createPerson();
    const browser = new Person(server.issuer);
    await approve(server, browser, person, path());
    const [old, signature] = [String(cookie(browser, 'session')), String(cookie(browser, 'session.sig'))];
    await approve(server, browser, person, path({ prompt: 'login' }));
    assert.notEqual(cookie(browser, 'session'), old);

    const thief = new Person(server.issuer);
    thief.setCookie('session', old);
    thief.setCookie('session.sig', signature);
    assert.match((await thief.open(path())).html, /name="password"/);
    assert.equal((await server.sql('select id from session where account_id = $1', [person.id])).length, 1);
  });

  it('is not begun by somebody who only looks', async () => {
    const before = await server.sql('select id from session order by id');
    const browser = new Person(server.issuer);
    assert.equal((await browser.open(path())).response.status, 200);
    assert.equal((await browser.open(path({ prompt: 'none' }))).url.searchParams.get('error'), 'login_required');
    assert.deepEqual(await server.sql('select id from session order by id'), before);
  });

  it("cookies are HttpOnly, SameSite=Lax, signed, and the interaction's stays with its pages", async () => {
    const browser = new Person(server.issuer);
    const begun = await browser.request(path());
    const lines = begun.headers.getSetCookie();
    assert(lines.length > 0);
    for (const line of lines) assert.match(line, /httponly/i, line);
    for (const line of lines) assert.match(line, /samesite=lax/i, line);
    assert.match(String(lines.find((line) => line.startsWith('interaction='))), /path=\/interaction\/[^/;]+;/i);
    assert(lines.some((line) => line.startsWith('interaction.sig=')));
  });
});
