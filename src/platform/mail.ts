import { randomUUID } from 'node:crypto';
import { type Database, Prisma, type Statement } from './database.ts';
import type { KeyRing } from './secrets.ts';

/**
 * Owns the mail that waits: it is written down along with what it tells of, and sent afterwards, so neither a slow relay nor one that is
 * down keeps a person waiting or loses a letter. Does not send: see mail-sender.ts. Does not word anything: see http/letters.ts.
 */

export type Letter = { language: string; subject: string; text: string; html: string };

/** A row of the table, as it is taken to be sent or shown. */
export type WaitingMail = { id: string; recipient: string; sealed: string; attempts: number };

/** Where it is told that there is a mail to send. */
export const MAIL_CHANNEL = 'mail';

const KEPT_HOURS = 24;

// RFC 5321 section 4.5.3.1.
const LONGEST_ADDRESS = 254;
const LONGEST_LOCAL_PART = 64;

/** One mailbox and nothing else: no list, no display name, no quoting, nothing that could begin another line (RFC 5321 section 4.1.2). */
const ADDRESS =
  /^[^\s\p{C}"(),:;<>@[\\\]]+@(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?\.)*[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?$/u;

/** Whether mail can be addressed to it; not, whether anybody reads it. */
export function isMailAddress(text: string): boolean {
  return text.length <= LONGEST_ADDRESS && text.lastIndexOf('@') <= LONGEST_LOCAL_PART && ADDRESS.test(text);
}

/**
 * The writing of a mail, to be run along with what it tells of, in the same transaction or unit of work. It is sent once that is done.
 * @throws RangeError for a recipient that isMailAddress() refuses.
 */
export function mailLetter(keyRing: KeyRing, recipient: string, letter: Letter): Statement {
  if (!isMailAddress(recipient)) throw new RangeError('not an address that mail can be sent to');
  const id = randomUUID();
  const sealed = keyRing.encrypt(JSON.stringify(letter), sealedAs(id));
  // What is told in a transaction is heard when that has ended, by all nodes: whoever is free sends it.
  return Prisma.sql`
    insert into mail (id, recipient, sealed, expires_at)
    select ${id}, ${recipient}, ${sealed}, now() + ${KEPT_HOURS} * interval '1 hour'
    from (select pg_notify(${MAIL_CHANNEL}, '')) as told`;
}

/** What a mail says. @throws Error when it was sent and forgotten, or no key of the ring opens it. */
export function openLetter(keyRing: KeyRing, { id, sealed }: Pick<WaitingMail, 'id' | 'sealed'>): Letter {
  return JSON.parse(keyRing.decrypt(sealed, sealedAs(id)));
}

const sealedAs = (id: string) => `mail ${id}`;

export type KeptMail = WaitingMail & { createdAt: Date; sentAt: Date | null };

/** The newest mails that can still be read, for the mailbox page of development. @param id that one alone. */
export function listMail(database: Database, id?: string): Promise<KeptMail[]> {
  return database.query<KeptMail>(Prisma.sql`
    select id, recipient, sealed, attempts, created_at as "createdAt", sent_at as "sentAt" from mail
    where sealed <> '' and (${id ?? null}::text is null or id = ${id ?? null})
    order by created_at desc limit 100`);
}
