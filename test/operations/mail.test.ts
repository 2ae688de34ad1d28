import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { composeLetter } from '../../src/http/letters.ts';
import { write as keep, unitOfWork, type Write } from '../../src/oauth/store/unit-of-work.ts';
import { isMailAddress, mailLetter } from '../../src/platform/mail.ts';
import { keepMailSent, type MailSender } from '../../src/platform/mail-sender.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { openRelay } from '../../src/platform/smtp.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { proofIn } from '../support/mailbox.ts';
import { startRelay, type TestRelay } from '../support/relay.ts';
import { dumpTables } from '../support/storage.ts';

const LINK = 'https://auth.example.com/interaction/uid/proof?secret=c2VjcmV0LW9mLXRoZS1saW5r';
const CODE = '48291375';
const OCCASION = { issuer: 'https://auth.example.com', visitor: { address: '203.0.113.0/24', browser: 'Chrome, Windows' }, at: new Date() };

describe('Mail', () => {
  let server: TestServer;
  let keyRing: KeyRing;
  let relay: TestRelay;
  let sender: MailSender | undefined;
  before(async () => {
    [server, relay] = await Promise.all([startTestServer(), startRelay()]);
    keyRing = new KeyRing(server.config.dataEncryptionKeys);
  });
  afterEach(async () => {
    await sender?.stop();
    sender = undefined;
    relay.received.length = 0;
  });
  after(() => Promise.all([server.close(), relay.close()]));

  const letter = (language: 'ko' | 'en' = 'ko') => composeLetter(language, 'sign_up', { code: CODE, link: LINK, minutes: 15, ...OCCASION });
  const write = (recipient: string, language: 'ko' | 'en' = 'ko') => mailLetter(keyRing, recipient, letter(language));
  const startSender = (keepsText = false) => {
    const log = { info() {}, warn() {}, error() {} } as never;
    // Nothing in here waits for it: whoever sends is told.
    const everyMs = 3_600_000;
    sender = keepMailSent({
      database: server.database,
      keyRing,
      relay: openRelay(relay.url, server.config.mailFrom),
      log,
      keepsText,
      everyMs,
    });
  };
  const row = async (recipient: string) =>
    (await server.sql('select *, due_at = expires_at as over from mail where recipient = $1', [recipient]))[0];

  it('arrives once, with its headers, its two parts, and its subject in Korean', async () => {
    startSender();
    await server.database.transaction([write('gildong@people.example')]);
    await eventually('the mail is noted as sent', async () => (await row('gildong@people.example'))?.['sent_at'] !== null);
    assert.equal(relay.received.length, 1);
    const [mail] = relay.received;
    assert.deepEqual(mail?.envelope, { from: 'no-reply@munjigi.example', to: ['gildong@people.example'] });
    const { id } = (await row('gildong@people.example')) as { id: string };
    for (const [name, value] of Object.entries({
      from: 'Munjigi <no-reply@munjigi.example>',
      to: 'gildong@people.example',
      subject: '이메일을 확인해 주세요',
      'message-id': `<${id}@munjigi.example>`,
      'auto-submitted': 'auto-generated',
      'content-language': 'ko',
    }))
      assert.equal(mail?.headers.get(name), value, name);
    assert.match(String(mail?.headers.get('content-type')), /^multipart\/alternative/);
    assert.deepEqual([...(mail?.parts.keys() ?? [])], ['text/plain', 'text/html']);
    assert.deepEqual(proofIn({ ...letter(), text: String(mail?.parts.get('text/plain')).replaceAll('\r\n', '\n') }), {
      code: CODE,
      link: LINK,
    });
    const html = String(mail?.parts.get('text/html'));
    assert(html.includes(`>${CODE}</p>`) && html.includes(`href="${LINK}"`), html);
  });

  it('was written before it is sent, and what waited leaves as soon as somebody sends', async () => {
    const recipients = Array.from({ length: 20 }, (_, n) => `waiting-${n}@people.example`);
    for (const recipient of recipients) await server.database.change(write(recipient, 'en'));
    assert.equal(relay.received.length, 0);
    startSender();
    await eventually('all have arrived', () => relay.received.length === 20);
    assert.deepEqual(relay.received.map(({ envelope }) => envelope.to[0]).sort(), recipients.sort());
  });

  it('is not written, and not sent, when what it tells of is not done', async () => {
    startSender();
    await assert.rejects(server.database.transaction([write('undone@people.example'), { text: 'select 1/0', values: [] } as never]));
    await server.database.transaction([write('done@people.example')]);
    await eventually('the other arrives', () => relay.received.length > 0);
    assert.deepEqual(relay.received[0]?.envelope.to, ['done@people.example']);
    assert.equal(await row('undone@people.example'), undefined);
  });

  it('is a part of a unit of work like any write: there with the others, or with none of them', async () => {
    const asPart = (recipient: string): Write => ({ purpose: 'issue', subject: recipient, statement: write(recipient) });
    const { database } = server;
    const both = async () => {
      await keep(database, asPart('unit-1@people.example'));
      await keep(database, asPart('unit-2@people.example'));
    };
    await unitOfWork(database, both, () => false);
    assert.equal(await row('unit-1@people.example'), undefined);
    startSender();
    await unitOfWork(database, both, () => true);
    await eventually('both arrive', () => relay.received.length === 2);
  });

  it('cannot be read in the database while it waits, and is gone from it once it has left', async () => {
    await server.database.change(write('secret@people.example'));
    const waiting = (await dumpTables(server))['mail']?.find((line) => line.includes('secret@people.example'));
    const secrets = [CODE, LINK, 'c2VjcmV0LW9mLXRoZS1saW5r', '이메일', 'Chrome'];
    const spellings = secrets.flatMap((text) => [
      text,
      Buffer.from(text).toString('base64').replace(/=+$/, ''),
      Buffer.from(text).toString('hex'),
    ]);
    assert.deepEqual(
      spellings.filter((text) => waiting?.includes(text)),
      [],
    );
    assert.equal(
      JSON.parse(
        keyRing.decrypt(String((await row('secret@people.example'))?.['sealed']), `mail ${(await row('secret@people.example'))?.['id']}`),
      ).language,
      'ko',
    );
    startSender();
    await eventually('it is noted as sent', async () => (await row('secret@people.example'))?.['sent_at'] !== null);
    assert.equal((await row('secret@people.example'))?.['sealed'], '');
  });

  it('stays readable after it has left in development alone', async () => {
    startSender(true);
    await server.database.change(write('developer@people.example'));
    await eventually('it is noted as sent', async () => (await row('developer@people.example'))?.['sent_at'] !== null);
    assert.notEqual((await row('developer@people.example'))?.['sealed'], '');
    assert.equal((await row('developer@people.example'))?.['over'], true, 'and is never due again');
  });

  it('moved to another row does not open: nobody gets what was written to somebody else', async () => {
    await server.database.change(write('one@people.example'));
    await server.database.change(write('other@people.example'));
    await server.sql(
      `update mail set sealed = (select sealed from mail where recipient = 'one@people.example') where recipient = 'other@people.example'`,
    );
    startSender();
    await eventually('the one has left', async () => (await row('one@people.example'))?.['sent_at'] !== null);
    await eventually('the other is given up', async () => (await row('other@people.example'))?.['over'] === true);
    assert.deepEqual(
      relay.received.map(({ envelope }) => envelope.to),
      [['one@people.example']],
    );
    assert.equal((await row('other@people.example'))?.['sent_at'], null);
  });

  it('goes to one mailbox: whatever could name another, or begin another line, is refused', async () => {
    const before = await server.sql('select id from mail order by id');
    for (const hostile of [
      'a@people.example\r\nBcc: other@people.example',
      'a@people.example\nRCPT TO:<other@people.example>',
      'a@people.example, other@people.example',
      'a@people.example;other@people.example',
      'Name <a@people.example>',
      '<a@people.example>',
      '"a b"@people.example',
      'a@people.example\0',
      'a\u202e@people.example',
      'a@@people.example',
      'people.example',
      'a@',
      '@people.example',
      'a@-people.example',
      'a@people..example',
      'a@[127.0.0.1]',
      `${'a'.repeat(65)}@people.example`,
      `a@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}.${'e'.repeat(63)}.example`,
      '',
    ]) {
      assert.equal(isMailAddress(hostile), false, JSON.stringify(hostile));
      assert.throws(() => write(hostile), RangeError, JSON.stringify(hostile));
    }
    for (const right of ['a@b', "o'neil+tag@sub.people.example", '홍길동@사람.example', 'x_y.z-1@people.example'])
      assert.equal(isMailAddress(right), true, right);
    assert.deepEqual(await server.sql('select id from mail order by id'), before);
  });
});
