import ipaddr from 'ipaddr.js';
import { createTransport } from 'nodemailer';
import type { Letter } from './mail.ts';

/** Owns the way to the mail relay (SMTP, RFC 5321). */

export type Relay = {
  /** @param id stays the same however often it is tried, so that whoever gets it twice can tell. @throws RelayError */
  send(id: string, recipient: string, letter: Letter): Promise<void>;
  /** Ends the connections, those that are in use too. */
  close(): void;
};

/** What nodemailer puts on its errors. */
type Refusal = { code?: string; responseCode?: number; command?: string };

/** Why a mail did not leave. It never carries what the relay said: that repeats the address. */
export class RelayError extends Error {
  /** Another try would end alike: the relay refused this address or this mail for good (RFC 5321 section 4.2.1, 5yz). */
  readonly forGood: boolean;

  constructor(error: Refusal) {
    super([error.code ?? 'UNKNOWN', error.command, error.responseCode].filter(Boolean).join(' '));
    this.name = 'RelayError';
    this.forGood = ['EENVELOPE', 'EMESSAGE'].includes(error.code ?? '') && (error.responseCode ?? 0) >= 500;
  }
}

/** How many mails are on their way at once. */
export const RELAY_CONNECTIONS = 4;

/** The longest a mail may be on its way, however slowly the relay answers: less than the time until it is tried again. */
const PATIENCE_MS = 45_000;

/**
 * Connects when there is something to send.
 * @param url `smtp://` or `smtps://`, as config.ts has checked it. The former goes on in TLS (STARTTLS, RFC 3207), or not at all unless
 * the relay is on this machine or `?requireTLS=false` says that the way there is one's own. @param from the sender of every mail.
 */
export function openRelay(url: string, from: string): Relay {
  const { protocol, hostname, port, username, password, searchParams } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const secure = protocol === 'smtps:';
  const pool = createTransport({
    pool: true,
    host,
    port: Number(port) || (secure ? 465 : 587),
    secure,
    requireTLS: !secure && (searchParams.get('requireTLS') ?? String(!isThisMachine(host))) === 'true',
    auth: username ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) } : undefined,
    maxConnections: RELAY_CONNECTIONS,
    dnsTimeout: 5_000,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 20_000,
    idleTimeout: 30_000,
    // A letter is text that we wrote: nothing in it names a file or an address to be fetched.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = from.slice(from.lastIndexOf('@') + 1).replace('>', '');
  return {
    async send(id, recipient, { language, subject, text, html }) {
      try {
        await pool.sendMail({
          from,
          // An object, not text: an address list is not looked for in it.
          to: { name: '', address: recipient },
          subject,
          text,
          html,
          messageId: `<${id}@${domain}>`,
          // No out-of-office answer comes back (RFC 3834 section 5).
          headers: { 'Auto-Submitted': 'auto-generated', 'Content-Language': language },
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
      } catch (error) {
        throw new RelayError(error as Refusal);
      }
    },
    close: () => pool.close({ force: true }),
  };
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback');
}
