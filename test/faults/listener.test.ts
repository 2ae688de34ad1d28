import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { type Listener, openListener } from '../../src/platform/listen.ts';
import { createDatabase, type TestDatabase } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { createWire } from '../support/wire.ts';

describe('The connection that listens', () => {
  let database: TestDatabase;
  let wire: Awaited<ReturnType<typeof createWire>>;
  let side: pg.Client;
  let listener: Listener;

  before(async () => {
    database = await createDatabase();
    wire = await createWire(database.url);
    side = new pg.Client({ connectionString: database.url });
    await side.connect();
  });
  after(async () => {
    await side.end();
    wire.close();
    await database.drop();
  });

  const backends = async () =>
    (await side.query('select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()')).rows.map(
      ({ pid }) => Number(pid),
    );

  it('is one for all channels, hears each for whom it is meant, and is made again when it is lost', async () => {
    listener = openListener(wire.url, { retryMs: 20 });
    const heard: string[] = [];
    const listening = ['a', 'b'].map((channel) =>
      listener.on(
        channel,
        (message) => heard.push(`${channel} ${message}`),
        () => heard.push(`${channel} missed`),
      ),
    );
    const hearing = () => listening.every((one) => one.heard());
    await eventually('it hears', hearing);
    assert.deepEqual(heard.splice(0), ['a missed', 'b missed']);
    const [pid, ...more] = await backends();
    assert.deepEqual(more, [], 'one connection for both');

    await side.query("select pg_notify('b', 'one')");
    await eventually('the message is heard', () => heard.length > 0);
    assert.deepEqual(heard.splice(0), ['b one']);

    await side.query('select pg_terminate_backend($1)', [pid]);
    await eventually('both are told that they missed something', () => heard.length === 2 && hearing());
    assert.deepEqual(heard.splice(0), ['a missed', 'b missed']);
    await side.query("select pg_notify('a', 'two')");
    await eventually('it hears again', () => heard.length > 0);
    assert.deepEqual(heard, ['a two']);
    await listener.close();
    assert.equal(hearing(), false);
    await eventually('the connection is gone', async () => (await backends()).length === 0);
  });

  it('knows that it does not hear while the database is out of reach', async () => {
    listener = openListener(wire.url, { retryMs: 20 });
    const listening = listener.on(
      'a',
      () => {},
      () => {},
    );
    await eventually('it hears', () => listening.heard());
    wire.cut();
    await eventually('it knows', () => !listening.heard());
    wire.mend();
    await eventually('it hears again', () => listening.heard());
    await listener.close();
  });

  for (const [how, fall] of [
    ['answers and delivers nothing', 'deafen'],
    ['says nothing at all', 'silence'],
  ] as const)
    it(`notices by itself that its connection ${how}, and makes another`, async () => {
      let times = 0;
      listener = openListener(wire.url, { retryMs: 20, aliveMs: 50, onTime: () => times++ });
      const heard: string[] = [];
      const listening = listener.on(
        'a',
        (message) => heard.push(message),
        () => heard.push('missed'),
      );
      await eventually('it hears, and hears itself', () => listening.heard() && times > 2);
      wire[fall]();
      await side.query("select pg_notify('a', 'unheard')");
      await eventually('it knows that it is deaf', () => !listening.heard());
      assert.deepEqual(heard.splice(0), ['missed']);
      wire.mend();
      await eventually('it hears again', () => listening.heard());
      await side.query("select pg_notify('a', 'heard')");
      await eventually('the message is heard', () => heard.at(-1) === 'heard');
      assert.equal(heard[0], 'missed', 'what was told meanwhile may concern it');
      await listener.close();
      await eventually('no connection is left', async () => (await backends()).length === 0);
    });

  it('keeps its connection while it hears itself, and wakes no other node', async () => {
    let times = 0;
    listener = openListener(wire.url, { retryMs: 20, aliveMs: 20, onTime: () => times++ });
    const [mine, others]: [string[], string[]] = [[], []];
    listener.on(
      'a',
      (message) => mine.push(message),
      () => {},
    );
    const other = openListener(wire.url, { retryMs: 20, aliveMs: 20 });
    other.on(
      'a',
      (message) => others.push(message),
      () => {},
    );
    await eventually('it heard itself ten times', () => times > 10);
    assert.deepEqual([mine, others], [[], []]);
    await Promise.all([listener.close(), other.close()]);
  });

  it('leaves no connection behind when it connects and cannot listen', async () => {
    const before = wire.statements();
    listener = openListener(wire.url, { retryMs: 20 });
    // An identifier of no length: the statement is refused, as a standby refuses any LISTEN.
    const listening = listener.on(
      '',
      () => {},
      () => {},
    );
    await eventually('it was refused twenty times', () => wire.statements() - before >= 20);
    assert.equal(listening.heard(), false);
    assert.ok((await backends()).length < 10, 'those that are about to leave, not all that ever came');
    await listener.close();
    await eventually('all are gone', async () => (await backends()).length === 0);
  });
});
