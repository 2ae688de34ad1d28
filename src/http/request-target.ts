import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Log } from '../platform/log.ts';
import { headersOfEveryResponse } from './security-headers.ts';

/**
 * Owns the first look at a request: its target is a path of this server, and nothing else (origin form, RFC 9112 section 3.2.1). A target that names a
 * host, ours or another's, is for proxies; whoever derives an address from it would take that host for ours.
 */

/** One slash, and then no second one, nor what URL parsers read as one. */
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
    // The target itself is not logged: it may hold anything, and nobody has looked at it.
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
