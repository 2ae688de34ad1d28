import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import type { SMTPServerOptions } from 'smtp-server';
import { composeLetter } from '../../src/http/letters.ts';
import { type Database, openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';
import { mailLetter } from '../../src/platform/mail.ts';
import { KeyRing, randomSecret } from '../../src/platform/secrets.ts';
import { createDatabase, freePort, type TestDatabase } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { createHouse, type House, type TestProcess } from '../support/processes.ts';
import { startRelay, type TestRelay } from '../support/relay.ts';

const CODE = '48291375';

describe('Mail, when its relay fails', () => {
  let stored: TestDatabase;
  let database: Database;
  let house: House;
  const dataEncryptionKeys = [new Uint8Array(randomBytes(32))];
  const keyRing = new KeyRing(dataEncryptionKeys);
  const issuer = 'http://localhost:3999';
  const open: { close(): Promise<void> }[] = [];
  before(async () => {
    stored = await createDatabase();
    database = openDatabase(stored.url, createLog('silent'));
    house = await createHouse(stored.url, { issuer, cookieKeys: [randomSecret()], dataEncryptionKeys });
  });
  afterEach(async () => {
    // The processes first: a relay waits for those that are connected.
    for (const one of open.splice(0).reverse()) await one.close();
    await house.sql('delete from mail');
  });
  after(async () => {
    await house.close();
    await database.close();
    await stored.drop();
  });

  const relay = async (options?: SMTPServerOptions, port?: number): Promise<TestRelay> => {
    const one = await startRelay(options, port);
    open.push(one);
    return one;
  };
  const node = async (smtpUrl: string): Promise<TestProcess> => {
    const one = await house.start({ SMTP_URL: smtpUrl });
    open.push(one);
    return one;
  };
  const write = (recipient: string) => {
    const at = new Date();
    const occasion = { issuer, visitor: { address: '203.0.113.0/24', browser: undefined }, at };
    const letter = composeLetter('en', 'sign_up', { code: CODE, link: `${issuer}/x?secret=abc`, minutes: 15, ...occasion });
    return database.change(mailLetter(keyRing, recipient, letter));
  };
  const row = async (recipient: string) =>
    (
      await house.sql(
        'select *, extract(epoch from due_at - created_at)::float as waits, due_at = expires_at as over from mail where recipient = $1',
        [recipient],
      )
    )[0] as { attempts: number; sent_at: Date | null; sealed: string; waits: number; over: boolean };
  /** Its next try, without the wait for it. */
  const tryNow = () => house.sql(`with due as (update mail set due_at = now() where not due_at = expires_at) select pg_notify('mail', '')`);
  const assertSilent = (process: TestProcess, recipient: string) => {
    const said = process.logLines().join('\n') + process.output();
    for (const secret of [recipient, CODE, 'secret=abc']) assert(!said.includes(secret), `${secret} in ${said}`);
  };

  it('waits while the relay is down, longer each time, and leaves once when it is back', async () => {
    const port = await freePort();
    const process = await node(`smtp://127.0.0.1:${port}`);
    await write('patient@people.example');
    for (const [tries, minutes] of [
      [1, 1],
      [2, 2],
      [3, 4],
    ] as const) {
      await eventually(`try ${tries} has failed`, () => process.logged('mail_failed').length === tries);
      const { attempts, waits, sent_at } = await row('patient@people.example');
      assert.deepEqual([attempts, sent_at], [tries, null]);
      assert(waits >= minutes * 60 && waits < minutes * 120, `${waits} seconds`);
      if (tries < 3) await tryNow();
    }
    assert.match(String(process.logged('mail_failed')[0]?.['reason']), /^E\w+/);
    assertSilent(process, 'patient@people.example');
    const { received } = await relay({}, port);
    await tryNow();
    await eventually('it is noted as sent', async () => (await row('patient@people.example')).sent_at !== null);
    await tryNow();
    assert.equal(received.length, 1);
    assert.equal((await row('patient@people.example')).attempts, 4);
  });

  it('is given up at once when the relay refuses the address for good, and that is all that the log says of it', async () => {
    const { url, received } = await relay({
      onRcptTo: ({ address }, _, done) =>
        done(address.startsWith('nobody') ? Object.assign(new Error(`<${address}> is nobody`), { responseCode: 550 }) : null),
    });
    const process = await node(url);
    await write('nobody@people.example');
    await write('somebody@people.example');
    await eventually('it is given up', async () => (await row('nobody@people.example')).over);
    await eventually('the other has left', async () => (await row('somebody@people.example')).sent_at !== null);
    assert.deepEqual(
      received.map(({ envelope }) => envelope.to),
      [['somebody@people.example']],
    );
    const { sent_at, sealed, attempts } = await row('nobody@people.example');
    assert.deepEqual([sent_at, sealed, attempts], [null, '', 5], 'nobody needs its code any more');
    const [line] = process.logged('mail_given_up');
    assert.deepEqual([line?.['level'], line?.['attempts'], line?.['reason']], ['error', 1, 'EENVELOPE RCPT TO 550']);
    assertSilent(process, 'nobody@people.example');
  });

  it('is given up after five tries when the relay goes on asking for patience', async () => {
    const { url, received } = await relay({
      onMailFrom: (_address, _session, done) => done(Object.assign(new Error('later'), { responseCode: 451 })),
    });
    const process = await node(url);
    await write('later@people.example');
    for (let tries = 1; tries <= 4; tries++) {
      await eventually(`try ${tries} has failed`, () => process.logged('mail_failed').length === tries);
      await tryNow();
    }
    await eventually('it is given up', async () => (await row('later@people.example')).over);
    assert.equal(process.logged('mail_given_up').length, 1);
    assert.equal(received.length, 0);
    assertSilent(process, 'later@people.example');
  });

  it('does not go to a relay that offers no TLS where that is required, nor to one that nobody vouches for', async () => {
    const plain = await relay();
    const selfSigned = await relay({ disabledCommands: [] });
    for (const { url, received } of [plain, selfSigned]) {
      const process = await node(`${url}?requireTLS=true`);
      await write('private@people.example');
      await eventually('it was not sent', () => process.logged('mail_failed').length === 1);
      assert.equal(received.length, 0);
      assert.equal((await row('private@people.example')).sent_at, null);
      await process.close();
      await house.sql('delete from mail');
    }
  });

  it('holds up nobody while the relay says nothing, and does not keep the process from ending', async () => {
    const silent = createServer((socket) => void socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    open.push({ close: () => new Promise((closed) => silent.close(() => closed())) });
    const process = await node(`smtp://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    const connected = once(silent, 'connection');
    for (let n = 0; n < 20; n++) await write(`waiting-${n}@people.example`);
    await connected;
    const answers = await Promise.all(Array.from({ length: 20 }, () => process.send(`${issuer}/`)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.deepEqual(await house.sql('select count(*)::int as sent from mail where sent_at is not null'), [{ sent: 0 }]);
    assert.deepEqual(await process.kill('SIGTERM'), { code: 0, signal: null });
    assert.deepEqual(await house.sql(`select count(*)::int as kept from mail where sealed <> ''`), [{ kept: 20 }], 'none is lost');
  });

  it('is sent once each by two processes that are told of it at once', async () => {
    const { url, received } = await relay();
    await Promise.all([node(url), node(url)]);
    const recipients = Array.from({ length: 60 }, (_, n) => `person-${n}@people.example`);
    await Promise.all(recipients.map(write));
    await eventually('all have left', async () => (await house.sql('select 1 from mail where sent_at is null')).length === 0);
    assert.deepEqual(received.map(({ envelope }) => envelope.to[0]).sort(), recipients.sort());
    assert.deepEqual(await house.sql('select distinct attempts from mail'), [{ attempts: 1 }]);
  });

  it('that was in the hands of a process that died is sent by another', async () => {
    let taken: () => void;
    const inItsHands = new Promise<void>((resolve) => (taken = resolve));
    const deaf = await relay({ onData: (stream) => void stream.resume().on('end', () => taken()) });
    const first = await node(deaf.url);
    await write('heir@people.example');
    await inItsHands;
    await first.kill('SIGKILL');
    const { url, received } = await relay();
    await node(url);
    await tryNow();
    await eventually('another sent it', async () => (await row('heir@people.example')).sent_at !== null);
    assert.equal(received.length, 1);
  });
});
