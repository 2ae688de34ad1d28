import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, obtainTokens } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { type Page, Person } from '../support/person.ts';
import { unchanged } from '../support/storage.ts';

describe('The profile', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const PATH = '/account/profile';
  const stored = async (id: string) => (await server.sql('select name, username, locale from user_account where id = $1', [id]))[0];
  const speaks = (page: Page) => page.response.headers.get('content-language');

  it('is changed, and apps read what it is now', async () => {
    const person = await server.createPerson();
    const { access_token } = await obtainTokens(server, await server.createClient(), person);
    const page = await openAccount(server, person, PATH);
    const username = `new.${person.username}`.slice(0, 30);
    const done = await send(page, PATH, { name: '  Ada <b>Lovelace</b> ', username: username.toUpperCase(), language: 'en' });
    assert.equal(done.url.search, '?done');
    assert.match(done.html, /value="Ada &lt;b&gt;Lovelace&lt;\/b&gt;"/);
    assert.deepEqual(await stored(person.id), { name: 'Ada <b>Lovelace</b>', username, locale: 'en' });
    const claims = (await (await callApi(server, '/oauth/userinfo', access_token)).json()) as Record<string, unknown>;
    assert.deepEqual([claims['name'], claims['preferred_username'], claims['locale']], ['Ada <b>Lovelace</b>', username, 'en']);
    const [event] = await server.sql(`select type, detail from audit_event where account_id = $1 and type = 'profile_changed'`, [
      person.id,
    ]);
    assert.deepEqual(event, { type: 'profile_changed', detail: { changes: ['name', 'username', 'language'] } });
  });

  it('in its language pages and letters come from then on: here at once, and wherever else no other was chosen', async () => {
    const person = await server.createPerson();
    const english = { 'accept-language': 'en' };
    const [here, there, chosen] = [new Person(server.issuer), new Person(server.issuer), new Person(server.issuer)];
    for (const browser of [here, there, chosen]) browser.headers = english;
    await openAccount(server, person, '/account', there);
    await openAccount(server, person, '/account', chosen);
    await chosen.open('/account?lang=en');
    const page = await openAccount(server, person, PATH, here);
    const done = await send(page, PATH, { name: '홍길동', username: person.username, language: 'ko' });
    assert.equal(speaks(done), 'ko');
    assert.match(done.html, /<h1>프로필<\/h1>/);
    assert.equal(speaks(await here.open('/')), 'ko', 'signed out as well');
    assert.equal(speaks(await there.open('/account')), 'ko', 'by the profile');
    assert.equal(speaks(await chosen.open('/account')), 'en', 'a choice in a browser stays');
    const password = await there.open('/account/password');
    await send(password, '/account/password', { current: person.password, new: 'purple kettle on the roof' });
    assert.equal((await lettersTo(server, person.email))[0]?.language, 'ko');
  });

  it('stays as it is when a name could not be read, and keeps what was typed', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    for (const name of [
      '',
      '   ',
      '\u200b\u200d',
      'a'.repeat(101),
      'a'.repeat(20_000),
      'line\nbreak',
      'bell\u0007',
      '\u202egnp.exe',
      'a\u2066b',
      'x\u2028y',
      '\u3164',
      '\uffa0',
      '\u2800',
      '\u{e0041}',
      '\u0301',
    ]) {
      const answer = await unchanged(server, () => send(page, PATH, { name, username: person.username, language: 'ko' }));
      assert.equal(answer.response.status, 422, JSON.stringify(name.slice(0, 20)));
      assert.match(answer.html, /id="name"[^>]*aria-invalid="true"/);
      assert.equal(speaks(answer), 'en');
    }
    const fine = await send(page, PATH, { name: '👩‍👩‍👧 김 Ünïcode', username: person.username, language: 'en' });
    assert.equal(fine.url.search, '?done');
  });

  it('stays as it is when a user name is not one, or is somebody else’s', async () => {
    const [person, other] = [await server.createPerson(), await server.createPerson()];
    const page = await openAccount(server, person, PATH);
    for (const username of [
      '',
      'ab',
      '-ab',
      'a b c',
      'ünïcode',
      'a'.repeat(31),
      '../../etc',
      'a\u202eb',
      '<b>abc</b>',
      other.username,
      ` ${other.username.toUpperCase()}`,
    ]) {
      const answer = await unchanged(server, () => send(page, PATH, { name: '홍길동', username, language: 'ko' }));
      assert.equal(answer.response.status, 422, username);
      assert.match(answer.html, /id="username"[^>]*aria-invalid="true"/);
    }
    assert.match(
      (await send(page, PATH, { name: '홍길동', username: other.username, language: 'ko' })).html,
      /Another user has this user name/,
    );
    const foreign = await unchanged(server, () => send(page, PATH, { name: '홍길동', username: person.username, language: 'xx' }));
    assert.equal(foreign.response.status, 422);
  });

  it('stays as it is when a user name means us, however it is spelled; one from before stays', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    for (const username of [
      ...['support', 'root', 'admin', 'munjigi', 'SUPPORT', 'supp0rt', 'support1', 'support-2026', 's.u.p.p.o.r.t', 'sup-port', 'adm1n'],
      ...[
        'support-team',
        'munjigi-help',
        'help.munjigi',
        'the-munjigi',
        'munj1gi',
        'no-reply',
        'mailer-daemon',
        'security_team',
        'admin.official',
      ],
    ]) {
      const answer = await unchanged(server, () => send(page, PATH, { name: '홍길동', username, language: 'ko' }));
      assert.equal(answer.response.status, 422, username);
      assert.match(answer.html, /This user name is reserved[\s\S]*id="username"[^>]*aria-invalid="true"/);
    }
    for (const username of ['rooter', 'supporter', 'kim-support', 'team.kim', 'administrate', 'moon']) {
      const done = await send(page, PATH, { name: '홍길동', username, language: 'en' });
      assert.equal(done.url.search, '?done', username);
    }
    const early = await server.createPerson({ username: 'support' });
    const theirs = await send(await openAccount(server, early, PATH), PATH, { name: '길동', username: 'support', language: 'en' });
    assert.equal(theirs.url.search, '?done');
  });

  it('a user name that was given up rests for 90 days: nobody else gets it, and who had it may take it back', async () => {
    const [person, gone, other] = [
      await server.createPerson({ username: 'walker' }),
      await server.createPerson({ username: 'runner' }),
      await server.createPerson(),
    ];
    const change = async (page: Page, username: string) => send(page, PATH, { name: '홍길동', username, language: 'en' });
    const mine = await openAccount(server, person, PATH);
    assert.equal((await change(mine, 'sitter')).url.search, '?done');
    await server.sql('delete from user_account where id = $1', [gone.id]);
    const theirs = await openAccount(server, other, PATH);
    for (const username of ['walker', 'runner', 'WALKER']) {
      const answer = await unchanged(server, () => change(theirs, username));
      assert.equal(answer.response.status, 422, username);
      assert.match(answer.html, /Another user has this user name/);
    }
    assert.equal((await change(mine, 'walker')).url.search, '?done', 'it is still theirs to take back');
    assert.equal((await unchanged(server, () => change(theirs, 'sitter'))).response.status, 422);
    assert.equal(JSON.stringify(await server.sql('select * from resting_username')).includes(person.id), false);
    await server.sql(`update resting_username set expires_at = expires_at - interval '90 days'`);
    assert.equal((await change(theirs, 'runner')).url.search, '?done');
  });

  it('saved as it is changes nothing, and tells nothing', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    const fields = { name: '홍길동', username: person.username, language: 'ko' };
    await send(page, PATH, fields);
    await unchanged(server, () => send(page, PATH, fields));
    assert.deepEqual(await eventsOf(server, person.id), ['profile_changed']);
  });

  it('given one name by two people at once is one’s', async () => {
    const people = await Promise.all([server.createPerson(), server.createPerson()]);
    const pages = await Promise.all(people.map((person) => openAccount(server, person, PATH)));
    const username = `wanted${people[0]?.username.slice(0, 8)}`.replace(/[^a-z0-9]/g, 'x');
    const answers = await Promise.all(pages.map((page) => send(page, PATH, { name: '홍길동', username, language: 'en' })));
    assert.deepEqual(answers.map(({ response }) => response.status).sort(), [200, 422]);
  });
});
