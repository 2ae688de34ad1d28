import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { askToRegister, METADATA } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

describe('munjigi initial-access-tokens', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ registration: 'token' });
  });
  after(() => server.close());

  const command = (...args: string[]) => runCommand(server, 'initial-access-tokens', ...args);
  const status = async (token: string) => (await askToRegister(server, METADATA, { authorization: `Bearer ${token}` })).status;
  const made = (...args: string[]) => {
    const { status, stdout, stderr } = command('create', ...args, '--json');
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as { id: string; token: string; expires_at: string };
  };

  it('makes a token that is shown once, lists it without, and revokes it when that is confirmed', async () => {
    const { id, token, expires_at } = made('--name', '산책 팀', '--max-clients', '2', '--expires-in-seconds', '5400');
    assert.match(token, /^[\w-]{43}$/);
    assert.match(expires_at, /^\d{4}-\S+Z$/);
    const life = 'select round(extract(epoch from expires_at - created_at))::int as seconds from initial_access_token where id = $1';
    assert.deepEqual(await server.sql(life, [id]), [{ seconds: 5_400 }]);

    assert.equal(await status(token), 201);
    const { stdout } = command('list');
    assert.match(stdout, new RegExp(`^${id} +산책 팀 +.*\\d{4}-\\S+Z`, 'm'));
    assert(!stdout.includes(token));

    const asked = await unchanged(server, async () => command('end', id));
    assert.equal(asked.status, 1);
    assert.match(asked.stderr, /--yes/);
    assert.equal(command('end', id, '--yes').status, 0);
    assert.equal(await status(token), 401);
    assert.doesNotMatch(command('list').stdout, new RegExp(id));
    assert.equal((await unchanged(server, async () => command('end', id, '--yes'))).status, 1);
  });

  it('limits grant types and scopes to what there is', async () => {
    const { token } = made('--name', 'Bell', '--grant-types', 'authorization_code,refresh_token', '--scopes', 'openid profile');
    assert.match(command('list').stdout, /Bell .*authorization_code,refresh_token +openid,profile /);
    assert.equal(await status(token), 400, 'client credentials are among what is asked for');
  });

  it('changes nothing for what makes no sense, and says why', async () => {
    const right = ['create', '--name', 'Bell'];
    const wrong: [number, RegExp, ...string[]][] = [
      [2, /needs --name/, 'create'],
      [1, /--name: must not contain/, 'create', '--name', 'a\u202eb'],
      [1, /--max-clients: /, ...right, '--max-clients', '0'],
      [1, /--max-clients: /, ...right, '--max-clients', '10001'],
      [2, /--max-clients: "many" is no number/, ...right, '--max-clients', 'many'],
      [1, /--expires-in-seconds: /, ...right, '--expires-in-seconds', '0'],
      [1, /--expires-in-seconds: /, ...right, '--expires-in-seconds', '32400000'],
      [2, /--grant-types: "implicit" is none of/, ...right, '--grant-types', 'authorization_code,implicit'],
      [2, /--grant-types names nothing/, ...right, '--grant-types', ','],
      [1, /--scopes: there is no such scope/, ...right, '--scopes', 'openid admin'],
      [2, /Unknown option '--name'/, 'list', '--name', 'Bell'],
      [2, /end needs ID/, 'end'],
      [2, /there is no verb make/, 'make'],
    ];
    for (const [code, says, ...args] of wrong) {
      const { status: exit, stdout, stderr } = await unchanged(server, async () => command(...args));
      assert.equal(exit, code, args.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, says);
    }
    const help = command('--help');
    assert.equal(help.status, 0);
    assert.match(help.stdout, /^Usage: munjigi initial-access-tokens VERB/);
  });
});
