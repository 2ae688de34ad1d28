import { type Database, Prisma } from './database.ts';
import type { Log } from './log.ts';
import { MAIL_CHANNEL, openLetter, type WaitingMail } from './mail.ts';
import { DUE, keepSent } from './outbox.ts';
import { type KeyRing, UnknownKey } from './secrets.ts';
import { RELAY_CONNECTIONS, type Relay, RelayError } from './smtp.ts';

/**
 * Owns the sending of mail, on every node. A node takes a mail by moving its due time, so that no other node takes it. If the node dies or
 * the relay fails, the mail is due again after a minute, and after twice as long each time. A mail is sent twice in one case only: the node
 * dies after the relay accepted it and before it stored that.
 */

const ATTEMPTS = 5;

export type MailSender = { stop(): Promise<void> };

export type MailSenderOptions = {
  database: Database;
  keyRing: KeyRing;
  relay: Relay;
  log: Log;
  /** Whether the text stays readable after sending: in development only. */
  keepsText: boolean;
  everyMs?: number;
};

/** Sends due mail until it is stopped. */
export function keepMailSent(options: MailSenderOptions): MailSender {
  const { database, log, relay, everyMs } = options;
  return keepSent<WaitingMail>({
    database,
    log,
    channel: MAIL_CHANNEL,
    atOnce: RELAY_CONNECTIONS,
    take: (room) => takeDue(database, room),
    send: (mail) => sendOne(options, mail),
    waits: 'mail_waits',
    cut: () => relay.close(),
    everyMs,
  });
}

/** Takes at most `room` due mails, which no other node then takes. */
async function takeDue(database: Database, room: number): Promise<WaitingMail[]> {
  return database.aside<WaitingMail>(Prisma.sql`
    update mail set attempts = attempts + 1, due_at = now() + power(2, attempts) * interval '1 minute'
    where id = any(array(
      select id from mail where ${DUE} and sent_at is null and attempts < ${ATTEMPTS}
      order by due_at limit ${room} for update skip locked))
    returning id, recipient, sealed, attempts`);
}

/** Tries one mail and stores the outcome. @throws never: an outcome that could not be stored leads to another try. */
async function sendOne({ database, keyRing, relay, log, keepsText }: MailSenderOptions, mail: WaitingMail): Promise<void> {
  const { id, attempts } = mail;
  try {
    const refusal = await attempt(keyRing, relay, mail);
    const givenUp = refusal !== undefined && (refusal.forGood || attempts >= ATTEMPTS);
    if (givenUp) log.error({ event: 'mail_given_up', mail: id, attempts, reason: refusal.message });
    else if (refusal) log.warn({ event: 'mail_failed', mail: id, attempts, reason: refusal.message });
    if (refusal && !givenUp) return;
    // The row is never due again. Only the recipient needs the text now, so it is deleted.
    await database.aside(Prisma.sql`
      update mail set due_at = expires_at, sent_at = case when ${givenUp} then null else now() end,
        attempts = case when ${givenUp} then ${ATTEMPTS} else attempts end,
        sealed = case when ${keepsText} then sealed else '' end
      where id = ${id}`);
  } catch (error) {
    log.error({ event: 'mail_unnoted', mail: id, attempts, reason: (error as Error).message });
  }
}

/** @returns why the mail was not sent; undefined when it was. */
async function attempt(keyRing: KeyRing, relay: Relay, mail: WaitingMail): Promise<{ message: string; forGood: boolean } | undefined> {
  try {
    await relay.send(mail.id, mail.recipient, openLetter(keyRing, mail));
    return undefined;
  } catch (error) {
    return error instanceof RelayError ? error : { message: 'UNREADABLE', forGood: !(error instanceof UnknownKey) };
  }
}
