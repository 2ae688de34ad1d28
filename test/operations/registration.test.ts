import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runScript } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { askToRegister, METADATA } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

describe('scripts/registration.ts', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ registration: 'token' });
  });
  after(() => server.close());

  const command = (...args: string[]) => runScript(server, 'registration', 'token', ...args);
  const status = async (token: string) => (await askToRegister(server, METADATA, { authorization: `Bearer ${token}` })).status;
  const ID = /token revoke ([0-9a-f-]{36})/;

  it('makes a token that is shown once, lists it without, and revokes it when that is confirmed', async () => {
    const made = command('create', '--name', '산책 팀', '--clients', '2', '--expire-in', '1.5');
    assert.equal(made.status, 0, made.stderr);
    const token = String(made.stdout.split('\n')[0]);
    const id = String(ID.exec(made.stdout)?.[1]);
    assert.match(token, /^[\w-]{43}$/);
    assert.match(made.stdout, /shown once. It registers 2 clients until \d{4}-\S+Z/);
    const life = 'select round(extract(epoch from expires_at - created_at))::int as seconds from initial_access_token where id = $1';
    assert.deepEqual(await server.sql(life, [id]), [{ seconds: 5_400 }]);

    assert.equal(await status(token), 201);
    const { stdout } = command('list');
    assert.match(stdout, new RegExp(`^${id} +"산책 팀" +1 of 2 +all +all +\\d{4}-\\S+Z$`, 'm'));
    assert(!stdout.includes(token));

    const asked = await unchanged(server, async () => command('revoke', id));
    assert.equal(asked.status, 1);
    assert.match(asked.stderr, /--yes/);
    assert.equal(command('revoke', id, '--yes').status, 0);
    assert.equal(await status(token), 401);
    assert.doesNotMatch(command('list').stdout, new RegExp(id));
    assert.equal((await unchanged(server, async () => command('revoke', id, '--yes'))).status, 1);
  });

  it('limits grant types and scopes to what there is', async () => {
    const made = command('create', '--name', 'Bell', '--grant-types', 'authorization_code,refresh_token', '--scopes', 'openid profile');
    assert.equal(made.status, 0, made.stderr);
    assert.match(command('list').stdout, /"Bell" +0 of 1 +authorization_code,refresh_token +openid,profile /);
    assert.equal(await status(String(made.stdout.split('\n')[0])), 400, 'client credentials are among what is asked for');
  });

  it('changes nothing for what makes no sense, and says why', async () => {
    const right = ['create', '--name', 'Bell'];
    const wrong: [RegExp, ...string[]][] = [
      [/--name takes/, 'create'],
      [/--name takes/, 'create', '--name', 'a\u202eb'],
      [/--clients takes/, ...right, '--clients', '0'],
      [/--clients takes/, ...right, '--clients', '10001'],
      [/--expire-in takes/, ...right, '--expire-in', '0'],
      [/--expire-in takes/, ...right, '--expire-in', '9000'],
      [/no client registers itself with the grant type "implicit"/, ...right, '--grant-types', 'authorization_code,implicit'],
      [/--grant-types says nothing/, ...right, '--grant-types', ','],
      [/there is no scope "admin"/, ...right, '--scopes', 'openid admin'],
      [/are for token create/, 'list', '--name', 'Bell'],
      [/say what to do/, 'revoke'],
      [/say what to do/, 'make'],
    ];
    for (const [says, ...args] of wrong) {
      const { status: exit, stdout, stderr } = await unchanged(server, async () => command(...args));
      assert.equal(exit, 1, args.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, says);
    }
    const help = command('--help');
    assert.equal(help.status, 0);
    assert.match(help.stdout, /^Usage: node scripts\/registration\.ts token create/);
  });
});
