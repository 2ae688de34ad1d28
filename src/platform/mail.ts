import { randomUUID } from 'node:crypto';
import { Prisma, type Statement } from './database.ts';
import type { KeyRing } from './secrets.ts';

/**
 * Owns waiting mail. Mail is stored with the change that it reports, and sent afterwards. So a slow relay delays no user, and a failed one
 * loses no mail. Does not send: see mail-sender.ts. Does not write the text: see http/letters.ts.
 */

export type Letter = { language: string; subject: string; text: string; html: string };

/** A row of the table, as it is read for sending or display. */
export type WaitingMail = { id: string; recipient: string; sealed: string; attempts: number };

/** The channel that announces new mail. */
export const MAIL_CHANNEL = 'mail';

const KEPT_HOURS = 24;

// RFC 5321 section 4.5.3.1.
const LONGEST_ADDRESS = 254;
const LONGEST_LOCAL_PART = 64;

/**
 * One mailbox and nothing else: no list, no display name, no quoting, and nothing that could begin another line (RFC 5321 section 4.1.2).
 */
const ADDRESS =
  /^[^\s\p{C}"(),:;<>@[\\\]]+@(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?\.)*[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?$/u;

/** Whether mail can be addressed to it. It does not say whether the mailbox exists. */
export function isMailAddress(text: string): boolean {
  return text.length <= LONGEST_ADDRESS && text.lastIndexOf('@') <= LONGEST_LOCAL_PART && ADDRESS.test(text);
}

/**
 * @returns the insert of a mail, to run in the same transaction or unit of work as the change it reports. It is sent after the commit.
 * @throws RangeError for a recipient that isMailAddress() refuses.
 */
export function mailLetter(keyRing: KeyRing, recipient: string, letter: Letter): Statement {
  if (!isMailAddress(recipient)) throw new RangeError('not an address that mail can be sent to');
  const id = randomUUID();
  const sealed = keyRing.encrypt(JSON.stringify(letter), sealedAs(id));
  // Postgres delivers the notification at commit, to all nodes. Any free node sends the mail.
  return Prisma.sql`
    insert into mail (id, recipient, sealed, expires_at)
    select ${id}, ${recipient}, ${sealed}, now() + ${KEPT_HOURS} * interval '1 hour'
    from (select pg_notify(${MAIL_CHANNEL}, '')) as told`;
}

/** @returns the text of a mail. @throws Error when the text was deleted after sending, or no key of the ring opens it. */
export function openLetter(keyRing: KeyRing, { id, sealed }: Pick<WaitingMail, 'id' | 'sealed'>): Letter {
  return JSON.parse(keyRing.decrypt(sealed, sealedAs(id)));
}

const sealedAs = (id: string) => `mail ${id}`;
