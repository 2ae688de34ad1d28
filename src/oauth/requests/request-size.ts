import type { Context, Next } from 'koa';
import { readBody, replaceBody } from '../../http/form.ts';
import { AppError } from '../../platform/errors.ts';
import { OWN_CLIENTS } from '../clients/first-party.ts';
import { ROUTES } from '../routes.ts';

/** Owns the maximum size of a request that this server stores: its sender need not be authenticated. */

/** In bytes. The client gets both values back unchanged; it should store larger data itself. */
const EACH = { state: 4_096, nonce: 4_096 };
/** In bytes, all parameters with their names. Node accepts no longer request line either. */
const ALL = 16 * 1024;

const KEPT = new Set<string>([ROUTES.pushed_authorization_request, ROUTES.device_authorization]);

/** @throws AppError 400 `request_too_long`, whose message names the parameter. */
export async function refuseLongRequests(ctx: Context, next: Next): Promise<void> {
  if (ctx.path === ROUTES.authorization && ctx.method === 'GET') assertShort(new URLSearchParams(ctx.querystring));
  else if (KEPT.has(ctx.path) && ctx.method === 'POST' && ctx.is('application/x-www-form-urlencoded')) {
    const body = await readBody(ctx.req);
    replaceBody(ctx.req, body);
    assertShort(new URLSearchParams(body.toString('utf8')));
  }
  await next();
}

function assertShort(parameters: URLSearchParams): void {
  // The sign-in of this server's own pages carries their encrypted state: see pages/first-party.ts.
  const limits: Record<string, number> = OWN_CLIENTS.includes(parameters.get('client_id') ?? '') ? {} : EACH;
  for (const [name, most] of Object.entries(limits))
    for (const value of parameters.getAll(name)) if (Buffer.byteLength(value) > most) throw tooLong(name, most);
  // Credentials are not stored.
  const kept = [...parameters].filter(([name]) => !['client_assertion', 'client_secret'].includes(name));
  if (kept.flat().reduce((sum, text) => sum + Buffer.byteLength(text), 0) > ALL) throw tooLong('all', ALL);
}

const tooLong = (name: string, most: number) =>
  new AppError('request_too_long', { status: 400, reason: `too_long ${name}`, values: { name, most } });
