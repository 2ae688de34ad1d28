import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { openAccount } from '../support/factors.ts';
import { introspect, obtainTokens } from '../support/flow.ts';
import { lettersTo, proofIn } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

const PASSWORD = 'a lantern for the new gate';

describe('munjigi people: create, list and the acts on one person', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const people = (...args: string[]) => runCommand(server, 'people', ...args);
  const done = (...args: string[]) => {
    const { status, stdout, stderr } = people(...args);
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
    const stdout = done('create', '--email', ' Gildong@People.example ', '--name', '홍길동', '--language', 'ko');
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
    done('create', '--email', 'admin@people.example', '--name', 'Im', '--role', 'admin');
    assert.equal((await row('admin@people.example'))?.['role'], 'admin');
    assert.equal((await lettersTo(server, 'admin@people.example'))[0]?.subject, 'Choose a password for your new account');
  });

  it('makes nothing for an address that is taken, or an order that makes no sense', async () => {
    const person = await server.createPerson();
    await unchanged(server, async () => {
      const taken = people('create', '--email', person.email.toUpperCase(), '--name', 'Other');
      assert.deepEqual([taken.status, taken.stdout], [1, '']);
      assert.match(taken.stderr, /there is an account with this address already/);
      const create = ['create', '--email', 'new@people.example'];
      for (const [status, ...args] of [
        [2, ...create],
        [2, 'create', '--name', 'New'],
        [1, ...create, '--name', ' '],
        [1, ...create, '--name', 'New\u202e'],
        [1, ...create, '--name', 'x'.repeat(101)],
        [2, ...create, 'more', '--name', 'New'],
        [1, 'create', '--email', 'new', '--name', 'New'],
        [1, 'create', '--email', 'a@b.example,c@d.example', '--name', 'New'],
        [2, ...create, '--name', 'New', '--language', 'fr'],
        [2, ...create, '--name', 'New', '--password', 'secret'],
        [2, 'enable', person.email, '--name', 'New'],
        [2, 'change-role', person.email, '--role', 'admin', '--search', 'x', '--yes'],
        [2, 'list', person.email],
        [2, 'constructor', person.email, '--yes'],
        [2],
      ] as [number, ...string[]][])
        assert.equal(people(...args).status, status, args.join(' '));
    });
  });

  it('lists people, and those alone who are searched for, in whichever case', async () => {
    const [one, other] = [await server.createPerson({ name: 'Bell 50%' }), await server.createPerson({ name: 'Moon\u009b2J' })];
    const stdout = done('list');
    assert(stdout.includes(one.email) && stdout.includes(other.email));
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{C}/u, 'a name must not speak to the terminal');
    const found = done('list', '--search', 'bELL 50%');
    assert.match(found, new RegExp(`^${one.id} +${one.email} +yes +${one.username} +Bell 50% +user +\\S+ +\\S+Z +- +-$`, 'm'));
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
      const roles = ['admin', 'user'].map((role) => ['change-role', '--role', role]);
      for (const [verb = '', ...flags] of [['disable'], ['end-sessions'], ['remove-factors'], ['end-access'], ...roles]) {
        const { status, stderr } = people(verb, person.email, ...flags);
        assert.equal(status, 1, verb);
        assert.match(stderr, /--yes/, verb);
      }
      for (const [verb = '', ...flags] of [['disable'], ['enable'], ['end-sessions'], ['remove-factors'], ['end-access'], ...roles]) {
        const { status, stdout, stderr } = people(verb, 'nobody@people.example', ...flags, ...(verb === 'enable' ? [] : ['--yes']));
        assert.deepEqual([status, stdout, stderr], [1, '', `munjigi people ${verb}: there is no person nobody@people.example\n`]);
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

  it('takes it back of the last admin too, at this machine alone', async () => {
    const person = await server.createPerson();
    await server.sql(`update user_account set role = 'user'`);
    done('change-role', person.email, '--role', 'admin', '--yes');
    done('disable', person.email, '--yes');
    done('enable', person.email);
    done('change-role', person.email, '--role', 'user', '--yes');
    assert.equal(await countRows(server, `user_account where role = 'admin'`), 0);
  });

  it('makes an admin of a person, and takes that back with their sessions', async () => {
    const person = await server.createPerson();
    done('change-role', person.email, '--role', 'admin', '--yes');
    assert.equal((await row(person.email))?.['role'], 'admin');
    await obtainTokens(server, await server.createClient(), person);
    done('change-role', person.email, '--role', 'user', '--yes');
    assert.equal((await row(person.email))?.['role'], 'user');
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 0);
    assert.equal(await audited('role_changed', person.id), 2);
  });
});
