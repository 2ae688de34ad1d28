import ipaddr from 'ipaddr.js';
import { createTransport } from 'nodemailer';
import type { Letter } from './mail.ts';

/** Owns the connection to the mail relay (SMTP, RFC 5321). */

export type Relay = {
  /** @param id the same at each retry, so that a recipient of two copies can recognize them. @throws RelayError */
  send(id: string, recipient: string, letter: Letter): Promise<void>;
  /** Ends all connections, including those in use. */
  close(): void;
};

/** Members of nodemailer's errors. */
type SmtpError = { code?: string; responseCode?: number; command?: string };

/** Why a mail was not sent. It never contains the relay's answer, which repeats the address. */
export class RelayError extends Error {
  /** A retry would also fail: the relay refused this address or this mail permanently (RFC 5321 section 4.2.1, 5yz). */
  readonly forGood: boolean;

  constructor(error: SmtpError) {
    super([error.code ?? 'UNKNOWN', error.command, error.responseCode].filter(Boolean).join(' '));
    this.name = 'RelayError';
    this.forGood = ['EENVELOPE', 'EMESSAGE'].includes(error.code ?? '') && (error.responseCode ?? 0) >= 500;
  }
}

/** The most mails in flight. */
export const RELAY_CONNECTIONS = 4;

/** Time limit for one mail, even if the relay answers slowly. It is shorter than the time until the retry. */
const PATIENCE_MS = 45_000;

/**
 * Connects when there is mail to send.
 * @param url `smtp://` or `smtps://`, already checked by config.ts. `smtp://` switches to TLS (STARTTLS, RFC 3207) and fails without it.
 * TLS is optional only if the relay is on this machine or `?requireTLS=false` says that the network is trusted.
 * @param from the sender of every mail.
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
    // The server wrote the mail: nothing in it names a file or URL to load.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = from.slice(from.lastIndexOf('@') + 1).replace('>', '');
  return {
    async send(id, recipient, { language, subject, text, html }) {
      try {
        await pool.sendMail({
          from,
          // An object, so that nodemailer does not parse it as a list of addresses.
          to: { name: '', address: recipient },
          subject,
          text,
          html,
          messageId: `<${id}@${domain}>`,
          // Suppresses out-of-office answers (RFC 3834 section 5).
          headers: { 'Auto-Submitted': 'auto-generated', 'Content-Language': language },
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
      } catch (error) {
        throw new RelayError(error as SmtpError);
      }
    },
    close: () => pool.close({ force: true }),
  };
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback');
}
