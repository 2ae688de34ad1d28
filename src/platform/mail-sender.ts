import { type Database, Prisma } from './database.ts';
import type { Log } from './log.ts';
import { MAIL_CHANNEL, openLetter, type WaitingMail } from './mail.ts';
import { DUE, keepSent } from './outbox.ts';
import { type KeyRing, UnknownKey } from './secrets.ts';
import { RELAY_CONNECTIONS, type Relay, RelayError } from './smtp.ts';

/**
 * Owns the leaving of mail, on every node. A mail is taken by moving the time at which it is due, so no other node takes it meanwhile, and
 * it comes up again by itself when this one dies or the relay fails: after a minute, and each time twice as long.
 * A node that dies between the relay's yes and its own note of it is the one way in which a mail is sent twice.
 */

const ATTEMPTS = 5;

export type MailSender = { stop(): Promise<void> };

export type MailSenderParts = {
  database: Database;
  keyRing: KeyRing;
  relay: Relay;
  log: Log;
  /** Whether a mail can be read after it was sent: in development alone. */
  keepsText: boolean;
  everyMs?: number;
};

/** Sends what is due until it is stopped. */
export function keepMailSent(parts: MailSenderParts): MailSender {
  const { database, log, relay, everyMs } = parts;
  return keepSent<WaitingMail>({
    database,
    log,
    channel: MAIL_CHANNEL,
    atOnce: RELAY_CONNECTIONS,
    take: (room) => takeDue(database, room),
    send: (mail) => sendOne(parts, mail),
    waits: 'mail_waits',
    cut: () => relay.close(),
    everyMs,
  });
}

/** Takes up to so many that are due, which no other node takes then. */
async function takeDue(database: Database, room: number): Promise<WaitingMail[]> {
  return database.aside<WaitingMail>(Prisma.sql`
    update mail set attempts = attempts + 1, due_at = now() + power(2, attempts) * interval '1 minute'
    where id = any(array(
      select id from mail where ${DUE} and sent_at is null and attempts < ${ATTEMPTS}
      order by due_at limit ${room} for update skip locked))
    returning id, recipient, sealed, attempts`);
}

/** Tries one, and writes down what became of it. @throws never: what could not be written down is tried again. */
async function sendOne({ database, keyRing, relay, log, keepsText }: MailSenderParts, mail: WaitingMail): Promise<void> {
  const { id, attempts } = mail;
  try {
    const refusal = await attempt(keyRing, relay, mail);
    const givenUp = refusal !== undefined && (refusal.forGood || attempts >= ATTEMPTS);
    if (givenUp) log.error({ event: 'mail_given_up', mail: id, attempts, reason: refusal.message });
    else if (refusal) log.warn({ event: 'mail_failed', mail: id, attempts, reason: refusal.message });
    if (refusal && !givenUp) return;
    // Never due again while it is there; and nobody but the person needs to read it any more.
    await database.aside(Prisma.sql`
      update mail set due_at = expires_at, sent_at = case when ${givenUp} then null else now() end,
        attempts = case when ${givenUp} then ${ATTEMPTS} else attempts end,
        sealed = case when ${keepsText} then sealed else '' end
      where id = ${id}`);
  } catch (error) {
    log.error({ event: 'mail_unnoted', mail: id, attempts, reason: (error as Error).message });
  }
}

/** @returns why it did not leave, or undefined when it did. */
async function attempt(keyRing: KeyRing, relay: Relay, mail: WaitingMail): Promise<{ message: string; forGood: boolean } | undefined> {
  try {
    await relay.send(mail.id, mail.recipient, openLetter(keyRing, mail));
    return undefined;
  } catch (error) {
    return error instanceof RelayError ? error : { message: 'UNREADABLE', forGood: !(error instanceof UnknownKey) };
  }
}
