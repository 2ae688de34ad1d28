import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

/** A mail relay on loopback, which speaks real SMTP and keeps what it is given. */
export type TestRelay = {
  url: string;
  port: number;
  received: ReceivedMail[];
  close(): Promise<void>;
};

export type ReceivedMail = {
  envelope: { from: string; to: string[] };
  /** By lower-case name, unfolded and decoded (RFC 2047). */
  headers: Map<string, string>;
  headerLines: string[];
  /** By type, decoded. */
  parts: Map<string, string>;
};

/** @param options of smtp-server: how it is to misbehave. @param port the one that an earlier relay had. */
export async function startRelay(options: SMTPServerOptions = {}, port = 0): Promise<TestRelay> {
  const received: ReceivedMail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    closeTimeout: 100,
    logger: false,
    async onData(stream, session, done) {
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of stream) chunks.push(chunk as Buffer);
      } catch {
        // The client hung up in the middle of the mail, such as a node that stops.
        return;
      }
      const { mailFrom, rcptTo } = session.envelope;
      const envelope = { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) };
      received.push({ envelope, ...parseMail(Buffer.concat(chunks).toString('latin1')) });
      done();
    },
    ...options,
  });
  // A client that hangs up is what some tests are about.
  server.on('error', () => {});
  server.listen(port, '127.0.0.1');
  await once(server.server, 'listening');
  const at = (server.server.address() as AddressInfo).port;
  return {
    url: `smtp://127.0.0.1:${at}`,
    port: at,
    received,
    close: () => new Promise((closed) => server.close(() => closed())),
  };
}

/** Just as much of MIME as our mails have (RFC 2045, 2046, 2047). */
export function parseMail(raw: string): Omit<ReceivedMail, 'envelope'> {
  const { headers, headerLines, body } = split(raw);
  const boundary = /boundary="?([^";]+)/.exec(headers.get('content-type') ?? '')?.[1];
  const parts = new Map<string, string>();
  for (const part of boundary ? body.split(`--${boundary}`).slice(1, -1) : []) {
    const { headers: own, body: content } = split(part.replace(/^\r\n/, ''));
    parts.set(String(own.get('content-type')?.split(';')[0]), decode(content, own.get('content-transfer-encoding') ?? '7bit'));
  }
  return { headers, headerLines, parts };
}

function split(raw: string) {
  const end = raw.indexOf('\r\n\r\n');
  const headerLines = raw
    .slice(0, end)
    .replace(/\r\n[ \t]/g, ' ')
    .split('\r\n');
  const headers = new Map(
    headerLines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), decodeWords(line.slice(line.indexOf(':') + 1).trim())]),
  );
  return { headers, headerLines, body: raw.slice(end + 4) };
}

function decodeWords(text: string): string {
  return text
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([BQ])\?([^?]*)\?=/gi, (_, kind: string, word: string) =>
      decode(kind.toUpperCase() === 'B' ? word : word.replaceAll('_', ' '), kind.toUpperCase() === 'B' ? 'base64' : 'quoted-printable'),
    );
}

function decode(text: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(text, 'base64').toString('utf8');
  if (encoding !== 'quoted-printable') return Buffer.from(text, 'latin1').toString('utf8');
  const bytes = text.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
