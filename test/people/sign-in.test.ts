import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import argon2 from 'argon2';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { obtainTokens, type TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { beginReset, beginSignUp, newcomer, newestProof, openSignIn, PASSWORD, wrongOf } from '../support/sign-up.ts';
import { dumpTables } from '../support/storage.ts';

describe('Signing in, and what is kept of it', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const hashOf = async (id: string) =>
    String((await server.sql('select password_hash from user_account where id = $1', [id]))[0]?.['password_hash']);
  const events = (id: string) =>
    server.sql('select type, client_id, address, browser, request_id, detail from audit_event where account_id = $1 order by at, id', [id]);

  it('hashes a password anew that was hashed with other parameters, when it is right', async () => {
    const person = await server.createPerson();
    const old = await argon2.hash(person.password, { type: argon2.argon2id, memoryCost: 8 * 1024, timeCost: 1, parallelism: 1 });
    await server.sql('update user_account set password_hash = $1 where id = $2', [old, person.id]);
    const [before] = await server.sql('select updated_at from user_account where id = $1', [person.id]);
    assert.equal((await (await openSignIn(server, client)).submit({ ...person, password: 'not this one' })).response.status, 401);
    assert.equal(await hashOf(person.id), old, 'a wrong one changes nothing');
    await obtainTokens(server, client, person);
    const renewed = await hashOf(person.id);
    assert.match(renewed, /^\$argon2id\$v=19\$m=19456,(p=1,)?t=2/);
    const [after] = await server.sql('select updated_at from user_account where id = $1', [person.id]);
    assert.deepEqual(after, before, 'the person has not changed anything');
    await obtainTokens(server, client, person);
    assert.equal(await hashOf(person.id), renewed, 'once');
  });

  it('is in the record, right or wrong, with the browser and the network and without an address of a stranger', async () => {
    const person = await server.createPerson();
    const page = await openSignIn(server, client);
    page.person.headers = {
      'user-agent': 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
    };
    await page.submit({ ...person, password: 'not this one' });
    await page.submit({ email: 'stranger@people.example', password: 'not this one' });
    await page.submit(person);
    const [failed, right, ...more] = await events(person.id);
    assert.deepEqual(more, []);
    assert.deepEqual([failed?.['type'], right?.['type']], ['sign_in_failed', 'signed_in']);
    assert.deepEqual(
      [right?.['client_id'], right?.['detail'], right?.['browser']],
      [client.client_id, { method: 'password' }, 'Chrome, Windows'],
    );
    assert.match(String(right?.['address']), /^(127\.0\.0\.0\/24|::\/48|0:0:0:0:0:0:0:0\/48)$/);
    assert(
      server.logLines().some((line) => line.includes(String(right?.['request_id']))),
      'the log knows the request',
    );
    assert(!(await dumpTables(server))['audit_event']?.some((row) => row.includes('stranger')));
  });

  it('is refused to an account without a password, and to a disabled one, as to one that is unknown', async () => {
    const [none, disabled] = [await server.createPerson(), await server.createPerson()];
    await server.sql('update user_account set password_hash = null where id = $1', [none.id]);
    await server.sql('update user_account set disabled_at = now() where id = $1', [disabled.id]);
    for (const { email, password } of [none, disabled, { ...none, password: '' }, newcomer()]) {
      const page = await (await openSignIn(server, client)).submit({ email, password });
      assert.equal(page.response.status, 401);
      assert.match(page.html, /The email or the password is wrong/);
    }
    assert.deepEqual(await server.sql('select 1 from session where account_id = any($1)', [[none.id, disabled.id]]), []);
  });

  it('no code, link, or password of signing up and resetting is in any row or line of the log', async () => {
    const wish = newcomer();
    const rows: string[] = [];
    const look = async () => rows.push(...Object.values(await dumpTables(server)).flat());
    const page = await beginSignUp(server, client, wish);
    const first = await newestProof(server, wish.email);
    await look();
    await page.submit({ code: wrongOf(first.code) });
    await page.person.open(first.link);
    await look();
    await page.submit({ code: first.code });
    await look();
    const again = await beginReset(server, client, wish.email);
    const second = await newestProof(server, wish.email);
    await look();
    const secret = (link: string) => String(new URL(link).searchParams.get('token'));
    await (await again.person.open(second.link)).submit({ password: 'a lantern for the new gate' });
    await look();
    assert.equal((await lettersTo(server, wish.email)).length, 3);
    const written = [...rows, ...server.logLines()];
    for (const value of [PASSWORD, 'a lantern for the new gate', first.code, second.code, secret(first.link), secret(second.link)])
      for (const spelling of [value, Buffer.from(value).toString('hex'), Buffer.from(value).toString('base64').replace(/=+$/, '')])
        assert.deepEqual(
          written.filter((line) => line.includes(spelling)),
          [],
          `${value} is written down`,
        );
  });
});
