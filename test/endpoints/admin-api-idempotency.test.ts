import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { call, createMachine, machineToken, problemOf } from '../support/admin-api.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';

describe('Idempotency-Key at the admin API', () => {
  let server: TestServer;
  let token: string;
  before(async () => {
    server = await startTestServer();
    token = await machineToken(server, await createMachine(server));
  });
  after(() => server.close());

  const make = (key: string | undefined, body: unknown = { name: 'Once' }, as = token) =>
    call(server, as, 'POST /initial-access-tokens', body, key === undefined ? {} : { 'idempotency-key': key });
  const made = async () => (await server.sql('select count(*)::int as n from initial_access_token'))[0]?.['n'];

  it('is accepted by every operation that creates something', async () => {
    const before = await made();
    const said = await make(undefined);
    assert.equal(said.status, 400);
    assert.equal(problemOf(said), 'idempotency_key_missing');
    for (const key of ['x'.repeat(256), 'two words']) assert.equal((await make(key)).status, 400, key);
    assert.equal(await made(), before);
  });

  it('makes equal requests get the same answer, and takes effect once', async () => {
    const first = await make('same');
    const before = await made();
    const second = await make('same');
    assert.equal(second.status, 201);
    assert.equal(second.headers.get('idempotency-replayed'), 'true');
    assert.equal(first.headers.get('idempotency-replayed'), null);
    assert.deepEqual(second.body, first.body);
    assert.equal(await made(), before);
  });

  it('stores the answer encrypted: a token in it appears nowhere in the database', async () => {
    const { body } = await make('sealed');
    const rows = await server.sql('select sealed, encode(key, $1) as key from idempotency_key', ['escape']);
    assert(rows.length > 0);
    assert(!JSON.stringify(rows).includes(String(body['token'])));
    assert(!JSON.stringify(rows).includes('sealed\\"'));
  });

  it('refuses another request with the same key, and changes nothing', async () => {
    await make('other');
    const before = await made();
    const said = await make('other', { name: 'Twice' });
    assert.equal(said.status, 422);
    assert.equal(problemOf(said), 'idempotency_key_reused');
    assert.equal(
      problemOf(await call(server, token, 'POST /keys/rotate', undefined, { 'idempotency-key': 'other' })),
      'idempotency_key_reused',
    );
    assert.equal(await made(), before);
  });

  it('belongs to its caller', async () => {
    const mine = await make('shared');
    const other = await machineToken(server, await createMachine(server));
    const theirs = await make('shared', { name: 'Once' }, other);
    assert.equal(theirs.status, 201);
    assert.notEqual(theirs.body['token'], mine.body['token']);
  });

  it('lets one of twenty equal requests take effect; the others get its answer or hear that it is in progress', async () => {
    const before = Number(await made());
    const answers = await Promise.all(Array.from({ length: 20 }, () => make('race')));
    const done = answers.filter(({ status }) => status === 201);
    assert(done.length >= 1);
    assert.equal(new Set(done.map(({ body }) => body['token'])).size, 1);
    assert.equal(done.filter(({ headers }) => !headers.get('idempotency-replayed')).length, 1);
    for (const said of answers.filter(({ status }) => status !== 201)) assert.equal(problemOf(said), 'under_way');
    assert.equal(await made(), before + 1);
    assert.deepEqual((await make('race')).body, done[0]?.body);
  });

  it('lets one of two different requests with one key take effect', async () => {
    const before = Number(await made());
    const names = Array.from({ length: 10 }, (_, n) => `Racer ${n % 2}`);
    const answers = await Promise.all(names.map((name) => make('race-of-two', { name })));
    assert.equal(await made(), before + 1);
    for (const said of answers) assert([201, 409, 422].includes(said.status), String(said.status));
  });

  it('stays free after a refused request, for a corrected one', async () => {
    assert.equal((await make('mended', { name: '' })).status, 422);
    assert.equal((await make('mended', { name: 'Mended' })).status, 201);
  });

  it('is free again after it expired', async () => {
    await make('expired');
    await server.sql(`update idempotency_key set expires_at = now() - interval '1 second'`);
    assert.equal((await make('expired', { name: 'Anew' })).headers.get('idempotency-replayed'), null);
  });

  // The state that a process leaves when it dies between the change and the writing of its answer.
  const loseAnswers = (age: string) => server.sql(`update idempotency_key set sealed = null, created_at = now() - $1::interval`, [age]);

  it('does not repeat a request whose answer is missing: it is in progress for a minute, then lost', async () => {
    await make('lost');
    const before = await made();
    await loseAnswers('1 second');
    const soon = await make('lost');
    assert.equal(problemOf(soon), 'under_way');
    assert.equal(soon.headers.get('retry-after'), '1');
    await loseAnswers('61 seconds');
    const late = await make('lost');
    assert.equal(problemOf(late), 'answer_lost');
    assert.equal(late.headers.get('retry-after'), null);
    assert.equal(await made(), before);
  });

  it('repeats a request that is safe to repeat after that minute, so that it completes', async () => {
    const { client_id } = await server.createClient();
    const suspend = () => call(server, token, `POST /clients/${client_id}/suspend`, undefined, { 'idempotency-key': 'suspend' });
    assert.equal((await suspend()).status, 200);
    assert.equal((await suspend()).headers.get('idempotency-replayed'), 'true');
    await loseAnswers('1 second');
    assert.equal(problemOf(await suspend()), 'under_way');
    await loseAnswers('61 seconds');
    const again = await suspend();
    assert.equal(again.status, 200);
    assert.equal(again.headers.get('idempotency-replayed'), null);
    assert.equal((await suspend()).headers.get('idempotency-replayed'), 'true');
  });

  it('repeats the answer of an act that found nothing to change', async () => {
    const rotate = () => call(server, token, 'POST /keys/rotate', undefined, { 'idempotency-key': 'rotate' });
    await call(server, token, 'POST /keys/rotate');
    const first = await rotate();
    assert(!(first.body['keys'] as { made: boolean }[]).some((key) => key.made));
    const second = await rotate();
    assert.equal(second.headers.get('idempotency-replayed'), 'true');
    assert.deepEqual(second.body, first.body);
  });
});
