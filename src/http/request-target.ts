import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Log } from '../platform/log.ts';
import { headersOfEveryResponse } from './security-headers.ts';

/**
 * Owns the first check of a request: its target must be a path of this server (origin form, RFC 9112 section 3.2.1). Targets that name a
 * host are for proxies. Code that derives an address from such a target would mistake that host for this server's.
 */

/** One slash, not followed by a second one or by a character that URL parsers treat as one. */
const PATH = /^\/(?![/\\])/;

const REFUSAL = JSON.stringify({
  error: 'invalid_request',
  error_description:
    'The request target must be a path that begins with one slash, such as /oauth/token. The host belongs in the Host header.',
});

export function onlyPaths({ issuer, log, answer }: { issuer: string; log: Log; answer: RequestListener }): RequestListener {
  return (request, response) => (PATH.test(request.url ?? '') ? answer(request, response) : refuse(request, response));

  function refuse({ method }: IncomingMessage, response: ServerResponse): void {
    const requestId = randomUUID();
    // The target itself is not logged: it is unchecked and may contain anything.
    log.info({ event: 'http_request', request_id: requestId, method, status: 400, error: 'invalid_request', reason: 'target_not_a_path' });
    response.writeHead(400, {
      ...headersOfEveryResponse(issuer),
      'X-Request-Id': requestId,
      'Cache-Control': 'no-store',
      'Content-Type': 'application/json; charset=utf-8',
      // The body is not read, so the connection cannot serve another request.
      Connection: 'close',
    });
    response.end(REFUSAL);
  }
}
