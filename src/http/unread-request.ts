import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { assetUrl } from './assets.ts';
import { errorAsJson } from './boundary.ts';
import { type EndpointAt, EXPOSED_HEADERS } from './endpoints.ts';
import { type Language, supported } from './language.ts';
import type { OperatorLink } from './operator-links.ts';
import { compose } from './render.ts';
import { headersOfEveryResponse } from './security-headers.ts';

/**
 * Owns the answer to input that Node cannot parse as a request, which never reaches the application (the server's `clientError`). A request
 * with too large headers (RFC 6585 section 5) is mostly a browser with too many cookies, so it gets a page with help. The others get Node's
 * own bare answers.
 */

type UnreadError = Error & { code?: string; rawPacket?: Buffer };

const BARE: Record<string, number> = { HPE_CHUNK_EXTENSIONS_OVERFLOW: 413, ERR_HTTP_REQUEST_TIMEOUT: 408 };

// How long a client may continue to send data that the server ignores, before it has the answer.
const LINGER_MS = 1_000;

type Listening = { issuer: string; log: Log; endpointAt: EndpointAt; operatorLinks: OperatorLink[] };

export function answerUnread({ issuer, log, endpointAt, operatorLinks }: Listening) {
  const answered = new WeakSet<Socket>();
  return (error: UnreadError, socket: Socket & { _httpMessage?: { headersSent: boolean } | null }): void => {
    // Later data belongs to the same request and is unreadable too.
    if (answered.has(socket)) return;
    answered.add(socket);
    // Nothing can be written into the middle of another answer.
    if (!socket.writable || socket._httpMessage?.headersSent) return void socket.destroy();
    socket.end(error.code === 'HPE_HEADER_OVERFLOW' ? tooLarge(error.rawPacket) : bare(BARE[error.code ?? ''] ?? 400));
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  };

  function tooLarge(packet: Buffer | undefined): string {
    const { path, language, page } = readStart(packet);
    const endpoint = endpointAt(path);
    const requestId = randomUUID();
    const forPrograms = !page || endpoint?.forPrograms === true;
    const body = forPrograms ? JSON.stringify(errorAsJson('headers_too_large')) : tooLargePage(language, requestId, operatorLinks);
    log.info({ event: 'http_request', request_id: requestId, status: 431, error: 'headers_too_large' });
    return written(431, body, {
      ...headersOfEveryResponse(issuer),
      'X-Request-Id': requestId,
      'Cache-Control': 'no-store',
      'Content-Type': forPrograms ? 'application/json; charset=utf-8' : 'text/html; charset=utf-8',
      ...(forPrograms ? undefined : { 'Content-Language': language }),
      ...(endpoint?.readers ? { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': EXPOSED_HEADERS } : undefined),
    });
  }
}

/** Parses the first bytes: Node passes on what it could not parse, which begins with the request line unless that came earlier. */
function readStart(packet: Buffer | undefined): { path: string; language: Language; page: boolean } {
  const text = packet?.toString('latin1') ?? '';
  const path = /^[A-Z]+ ([^ ?]*)/.exec(text)?.[1] ?? '';
  const accept = /\r\naccept:([^\r]*)/i.exec(text)?.[1] ?? '';
  const wished = /\r\naccept-language:([^\r]*)/i
    .exec(text)?.[1]
    ?.split(',')
    .map((tag) => supported(tag.trim().split(';')[0] ?? ''));
  // Without the request line the caller is unknown. A page is useful to browsers and programs alike.
  return { path, language: wished?.find(Boolean) ?? 'en', page: !path || /html/i.test(accept) };
}

/**
 * The usual error page, without the parts that need a parsed request. Its style may be missing, because the browser sends the same cookies
 * for the stylesheet.
 */
function tooLargePage(language: Language, requestId: string, operatorLinks: OperatorLink[]): string {
  const detail = { error: 'headers_too_large' };
  const facts = { code: 'headers_too_large', status: 431, detail, ways: [], requestId, time: systemClock.now().toISOString() };
  return compose(language, 'error', { ...facts, minutes: undefined, forOwner: undefined, passing: true, assetUrl, operatorLinks });
}

const bare = (status: number) => written(status, '', {});

function written(status: number, body: string, headers: Record<string, string>): string {
  const all = { ...headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`;
}
