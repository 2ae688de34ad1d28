import type { Context, Next } from 'koa';
import { readBody, replaceBody } from '../../http/form.ts';
import { limitRate } from '../../http/rate-limit.ts';
import { holdClient } from '../../oauth/clients/store.ts';
import { readPower } from '../../oauth/scopes/admin-scopes.ts';
import { write } from '../../oauth/store/unit-of-work.ts';
import type { Config } from '../../platform/config.ts';
import { type Database, isStorable } from '../../platform/database.ts';
import { AppError } from '../../platform/errors.ts';
import { registrationQuota } from './quota.ts';

/**
 * Owns the limits of the registration endpoint, since open registration invites floods (RFC 7591 section 5). registration-policy.ts decides
 * which metadata is allowed, and initial-access.ts which requests need a token.
 */

// Ten redirect URIs of two thousand characters each do not fit, and no client has needed them.
const LIMIT_BYTES = 16 * 1024;

/** Runs before any other work, so that a registration over the limit costs one statement. */
export function guardRegistration(database: Database, config: Config, registrationPath: string) {
  const quota = registrationQuota(config);
  return async (ctx: Context, next: Next) => {
    if (!ctx.path.startsWith(registrationPath)) return next();
    if (ctx.method === 'POST' && ctx.path === registrationPath) {
      // Count the network first, so that a network over its own limit does not use up the shared one.
      const { limit, network } = quota.of(ctx);
      await limitRate(database, limit, network);
      await limitRate(database, quota.all, '');
    }
    if (ctx.method === 'POST' || ctx.method === 'PUT') await limitBody(ctx);
    await next();
  };
}

/**
 * Locks a client before it changes itself. Fetching one of its documents may take long, and the client may be deleted or suspended in the
 * meantime. The change must then not restore it, and its token is no longer valid.
 */
export function changeWhatIsThere(database: Database, registrationPath: string) {
  return async (ctx: Context, next: Next) => {
    const clientId =
      ctx.method === 'PUT' && ctx.path.startsWith(`${registrationPath}/`) ? idIn(ctx.path.slice(registrationPath.length + 1)) : undefined;
    if (clientId !== undefined && (await readPower(database, clientId))?.scopes.length)
      // Its registration access token would otherwise be as powerful as an operator.
      throw new AppError('client_administers', { status: 403 });
    if (clientId !== undefined)
      await write(database, { purpose: 'issue', apart: true, once: true, subject: 'client that changes', statement: holdClient(clientId) });
    await next();
  };
}

function idIn(segment: string): string | undefined {
  try {
    const id = decodeURIComponent(segment);
    return isStorable(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

async function limitBody(ctx: Context): Promise<void> {
  // A request without a length and without chunks has no body (RFC 9112 section 6.3).
  if (!ctx.headers['transfer-encoding'] && !Number(ctx.headers['content-length'])) return;
  const body = await readBody(ctx.req, LIMIT_BYTES).catch((error) => {
    throw error instanceof AppError && error.status === 413 ? new AppError('registration_too_large', { status: 413 }) : error;
  });
  if (body.length) replaceBody(ctx.req, body);
}
