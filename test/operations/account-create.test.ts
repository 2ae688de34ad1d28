import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runScript } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { openAccount } from '../support/factors.ts';
import { introspect, obtainTokens } from '../support/flow.ts';
import { lettersTo, proofIn } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

const PASSWORD = 'a lantern for the new gate';

describe('scripts/account.ts create, list and the acts on one account', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const account = (...args: string[]) => runScript(server, 'account', ...args);
  const done = (...args: string[]) => {
    const { status, stdout, stderr } = account(...args);
    assert.equal(status, 0, stderr + stdout);
    return stdout;
  };
  const row = async (email: string) =>
    (
      await server.sql('select id, name, role::text, email_verified, password_hash, disabled_at from user_account where email = $1', [
        email,
      ])
    )[0];
  const audited = (type: string, id: unknown) =>
    countRows(server, `audit_event where type = $1 and account_id = $2 and request_id = 'operator'`, [type, id]);

  it('makes an account without a password, and mails its person a link by which they choose one', async () => {
    const email = 'gildong@people.example';
    const stdout = done('create', ' Gildong@People.example ', '--name', '홍길동', '--language', 'ko');
    const made = await row(email);
    assert.deepEqual(
      { ...made, id: 0 },
      { id: 0, name: '홍길동', role: 'user', email_verified: false, password_hash: null, disabled_at: null },
    );
    const [letter, ...others] = await lettersTo(server, email);
    assert(letter && !others.length);
    assert.deepEqual([letter.language, letter.subject], ['ko', '새 계정의 비밀번호를 정해 주세요']);
    const { link, code } = proofIn(letter);
    assert.equal(code, undefined, 'no page waits for one');
    assert(link && !stdout.includes(new URL(link).searchParams.get('token') as string), 'the link is for the person alone');
    assert.equal(await audited('account_made', made?.['id']), 1);

    const page = await unchanged(server, () => new Person(server.issuer).open(link));
    const chosen = await page.submit({ password: PASSWORD });
    assert.equal(chosen.response.status, 200);
    assert.equal((await row(email))?.['email_verified'], true, 'whoever reads its mail has the address');
    const client = await server.createClient();
    const { access_token } = await obtainTokens(server, client, { email, password: PASSWORD });
    assert.equal((await introspect(server, client, access_token))['active'], true);
    const again = await unchanged(server, () => new Person(server.issuer).open(link));
    assert.equal(again.response.status, 400, 'the link works once');
  });

  it('makes an admin, in English unless said otherwise', async () => {
    done('create', 'admin@people.example', '--name', 'Im', '--admin');
    assert.equal((await row('admin@people.example'))?.['role'], 'admin');
    assert.equal((await lettersTo(server, 'admin@people.example'))[0]?.subject, 'Choose a password for your new account');
  });

  it('makes nothing for an address that is taken, or an order that makes no sense', async () => {
    const person = await server.createPerson();
    await unchanged(server, async () => {
      const taken = account('create', person.email.toUpperCase(), '--name', 'Other');
      assert.deepEqual([taken.status, taken.stdout], [1, `there is an account ${person.email} already\n`]);
      for (const args of [
        ['create', 'new@people.example'],
        ['create', '--name', 'New'],
        ['create', 'new@people.example', '--name', ' '],
        ['create', 'new@people.example', '--name', 'New\u202e'],
        ['create', 'new@people.example', '--name', 'x'.repeat(101)],
        ['create', 'new@people.example', 'more', '--name', 'New'],
        ['create', 'new', '--name', 'New'],
        ['create', 'a@b.example,c@d.example', '--name', 'New'],
        ['create', 'new@people.example', '--name', 'New', '--language', 'fr'],
        ['create', 'new@people.example', '--name', 'New', '--password', 'secret'],
        ['enable', person.email, '--name', 'New'],
        ['make-admin', person.email, '--search', 'x', '--yes'],
        ['list', person.email],
        ['constructor', person.email, '--yes'],
        [],
      ])
        assert.equal(account(...args).status, 1, args.join(' '));
    });
  });

  it('lists people, and those alone who are searched for, in whichever case', async () => {
    const [one, other] = [await server.createPerson({ name: 'Bell 50%' }), await server.createPerson({ name: 'Moon\u009b2J' })];
    const stdout = done('list');
    assert(stdout.includes(one.email) && stdout.includes(other.email));
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{C}/u, 'a name must not speak to the terminal');
    const found = done('list', '--search', 'bELL 50%');
    assert.match(found, new RegExp(`^${one.email} +yes +"${one.username}" +"Bell 50%" +user +\\S+Z +- +-$`, 'm'));
    assert(!found.includes(other.email));
    assert.equal(
      done('list', '--search', '%')
        .split('\n')
        .filter((line) => line.includes('@')).length,
      1,
      'a sign, and no pattern',
    );
    assert(!done('list', '--search', 'nobody like that').includes('@'));
  });

  it('asks before all that takes something away or gives it, and without anybody to ask changes nothing', async () => {
    const person = await server.createPerson();
    await unchanged(server, async () => {
      for (const act of ['disable', 'end-sessions', 'remove-factors', 'make-admin', 'unmake-admin']) {
        const { status, stderr } = account(act, person.email);
        assert.equal(status, 1, act);
        assert.match(stderr, /--yes/, act);
      }
      for (const act of ['disable', 'enable', 'end-sessions', 'remove-factors', 'make-admin', 'unmake-admin']) {
        const { status, stdout } = account(act, 'nobody@people.example', '--yes');
        assert.deepEqual([status, stdout], [1, 'there is no account nobody@people.example\n'], act);
      }
    });
  });

  it('disables and enables: the person signs in again, and what was ended stays so', async () => {
    const [client, person] = [await server.createClient(), await server.createPerson()];
    const { access_token } = await obtainTokens(server, client, person);
    done('disable', person.email, '--yes');
    assert.deepEqual(await introspect(server, client, access_token), { active: false });
    await assert.rejects(obtainTokens(server, client, person));
    done('enable', person.email);
    assert.deepEqual(await introspect(server, client, access_token), { active: false });
    const { person: browser } = await obtainTokens(server, client, person);
    const activity = (await openAccount(browser, '/account/activity', person)).html;
    for (const sentence of [/Account disabled by an operator/, /Account enabled by an operator/]) assert.match(activity, sentence);
  });

  it('signs a person out of every browser, and nobody else; what apps hold beyond that stays', async () => {
    const client = await server.createClient();
    const [person, neighbour] = [await server.createPerson(), await server.createPerson()];
    const bound = await obtainTokens(server, client, person);
    const [kept, theirs] = [
      await obtainTokens(server, client, person, { scope: 'openid offline_access', prompt: 'consent' }),
      await obtainTokens(server, client, neighbour),
    ];
    done('end-sessions', person.email, '--yes');
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 0);
    assert.match((await bound.person.open('/account')).html, /name="password"/);
    assert.deepEqual(await introspect(server, client, bound.access_token), { active: false });
    for (const { access_token } of [kept, theirs]) assert.equal((await introspect(server, client, access_token))['active'], true);
    assert.equal(await audited('signed_out_everywhere', person.id), 1);
  });

  it('takes it back of the last admin too, at this machine alone, and says so', async () => {
    const person = await server.createPerson();
    await server.sql(`update user_account set role = 'user'`);
    done('make-admin', person.email, '--yes');
    done('disable', person.email, '--yes');
    done('enable', person.email);
    done('unmake-admin', person.email, '--yes');
    assert.equal(await countRows(server, `user_account where role = 'admin'`), 0);
    assert.match(
      runScript(server, 'account', '--help').stdout,
      /The admin pages keep the last admin: here they can be disabled and unmade too/,
    );
  });

  it('makes an admin of a person, and takes that back with their sessions', async () => {
    const person = await server.createPerson();
    done('make-admin', person.email, '--yes');
    assert.equal((await row(person.email))?.['role'], 'admin');
    await obtainTokens(server, await server.createClient(), person);
    done('unmake-admin', person.email, '--yes');
    assert.equal((await row(person.email))?.['role'], 'user');
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 0);
    assert.equal(await audited('role_changed', person.id), 2);
  });
});
