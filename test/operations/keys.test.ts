import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { unchanged } from '../support/storage.ts';

describe('munjigi keys', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const command = (...args: string[]) => runCommand(server, 'keys', ...args);
  /** The states that `list` shows, by kid. */
  const states = () =>
    Object.fromEntries(
      command('list')
        .stdout.split('\n')
        .slice(1)
        .filter(Boolean)
        .map((line) => line.split(/ +/))
        .map(([kid, , state]) => [kid, state]),
    );
  const published = async () =>
    ((await (await fetch(`${server.issuer}/oauth/jwks`)).json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);

  it('rotates: publishes the next keys an hour before they sign, and retires the present ones then', async () => {
    const old = await published();
    assert.deepEqual(Object.values(states()), Array(4).fill('signing'));
    const { status, stderr } = command('rotate');
    assert.equal(status, 0, stderr);
    await eventually('the node publishes them', async () => (await published()).length === 8);
    assert.deepEqual(
      old.map((kid) => states()[kid]),
      Array(4).fill('signing'),
      'the old ones go on signing',
    );
    assert.deepEqual(Object.values(states()).toSorted(), [...Array(4).fill('next'), ...Array(4).fill('signing')]);
    const moments =
      'select round(extract(epoch from coalesce(retired_at, active_at) - max(created_at) over ()) / 60)::int as minutes from signing_key';
    assert.deepEqual(await server.sql(moments), Array(8).fill({ minutes: 60 }));
  });

  it('makes no second ones while the next are on their way', async () => {
    const { status, stdout } = await unchanged(server, async () => command('rotate', '--json'));
    assert.equal(status, 0);
    const { keys } = JSON.parse(stdout) as { keys: { made: boolean }[] };
    assert.deepEqual(
      keys.map(({ made }) => made),
      Array(4).fill(false),
      'the answer says that nothing was made',
    );
  });

  it('replaces keys that leaked at once, when that is confirmed', async () => {
    const refused = await unchanged(server, async () => command('replace'));
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /--yes/);
    const old = await published();
    assert.equal(command('replace', '--yes').status, 0);
    await eventually('the node publishes new keys alone', async () => (await published()).every((kid) => !old.includes(kid)));
    assert.deepEqual(Object.values(states()), Array(4).fill('signing'));
  });

  it('explains itself, and does nothing that it was not asked for', async () => {
    assert.match(command('--help').stdout, /^Usage: munjigi keys VERB/);
    await unchanged(server, async () => {
      for (const args of [[], ['turn'], ['rotate', 'RS256'], ['list', '--now']]) assert.equal(command(...args).status, 2, args.join(' '));
    });
  });
});
