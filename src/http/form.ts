import type { IncomingMessage } from 'node:http';
import type { Context, Next } from 'koa';
import { isStorable } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';

const LIMIT_BYTES = 64 * 1024;
const LIMIT_FIELDS = 100;

/**
 * Reads a form (application/x-www-form-urlencoded).
 * @throws AppError 413 above 64 KiB, 415 for another type, 400 for too many fields or text that the database cannot store.
 */
export async function readForm(ctx: Context): Promise<URLSearchParams> {
  if (!ctx.is('application/x-www-form-urlencoded')) throw new AppError('unsupported_media_type', { status: 415 });
  const form = new URLSearchParams((await readBody(ctx.req)).toString('utf8'));
  if (form.size > LIMIT_FIELDS) throw new AppError('invalid_request', { status: 400, reason: 'too_many_fields' });
  if ([...form].flat().some((text) => !isStorable(text))) throw new AppError('invalid_request', { status: 400, reason: 'unstorable_text' });
  return form;
}

/** Reads a JSON body. @throws AppError as readForm, and 400 for invalid JSON. */
export async function readJson(ctx: Context): Promise<unknown> {
  if (!ctx.is('application/json')) throw new AppError('unsupported_media_type', { status: 415 });
  const text = (await readBody(ctx.req)).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new AppError('invalid_request', { status: 400, reason: 'malformed_json' });
  }
}

/**
 * Refuses a compressed body: the server decompresses none, because a small body may expand to any size.
 * @throws AppError 415 (RFC 9110 section 8.4.1).
 */
export function assertNotCompressed({ headers }: IncomingMessage): void {
  const codings = (headers['content-encoding'] ?? '').split(',').map((coding) => coding.trim().toLowerCase());
  if (codings.some((coding) => coding && coding !== 'identity'))
    throw new AppError('compressed_body', { status: 415, reason: 'content_encoding' });
}

/** Bodies that were read. Several parts look at the body of a request, and a stream costs more than most of them. */
const bodies = new WeakMap<IncomingMessage, Buffer>();

/** @returns the whole body. @throws AppError 413 as soon as the body is known to be too large, 415 for a compressed one. */
export async function readBody(request: IncomingMessage, limitBytes: number = LIMIT_BYTES): Promise<Buffer> {
  assertNotCompressed(request);
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw new AppError('request_too_large', { status: 413 });
  const known = bodies.get(request);
  if (known) {
    if (known.length > limitBytes) throw new AppError('request_too_large', { status: 413 });
    return known;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  // The socket stays open, so that the error can be answered.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > limitBytes) throw new AppError('request_too_large', { status: 413 });
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  bodies.set(request, body);
  return body;
}

/**
 * Reads and discards the rest of a body that was refused before its end. Otherwise the next request on the connection waits behind it, and
 * a proxy may have given that connection to another client (RFC 9112 section 9.3). The server's requestTimeout limits how long this takes.
 */
export function drainBody() {
  return async (ctx: Context, next: Next) => {
    await next();
    ctx.req.resume();
  };
}

/** Restores a body that was read, possibly changed, so that the next reader of the request gets it. */
export function replaceBody(request: IncomingMessage, body: Buffer): void {
  bodies.set(request, body);
  request.headers['content-length'] = String(body.length);
  delete request.headers['transfer-encoding'];
  Object.defineProperties(request, {
    readable: { value: true, configurable: true },
    iterator: { value: () => [body], configurable: true },
  });
}
