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
 * Owns how much may be asked of the registration endpoint (RFC 7591 section 5: registration that is open invites floods). What a client
 * may say of itself is registration-policy.ts's, who may speak at all initial-access.ts's.
 */

// Ten redirect URIs of two thousand characters do not fit at once; nobody has needed them.
const LIMIT_BYTES = 16 * 1024;

/** Before anything is read or looked up: a registration that is one too many costs one statement. */
export function guardRegistration(database: Database, config: Config, registrationPath: string) {
  const quota = registrationQuota(config);
  return async (ctx: Context, next: Next) => {
    if (!ctx.path.startsWith(registrationPath)) return next();
    if (ctx.method === 'POST' && ctx.path === registrationPath) {
      // The network first: whoever is over their own share uses nothing up of everybody's.
      const { limit, network } = quota.of(ctx);
      await limitRate(database, limit, network);
      await limitRate(database, quota.all, '');
    }
    if (ctx.method === 'POST' || ctx.method === 'PUT') await limitBody(ctx);
    await next();
  };
}

/**
 * Before a client changes itself: one that is deleted or suspended while it does, which may take as long as a document of its own that is
 * fetched meanwhile, does not come back by that. Its token is worth nothing any more then.
 */
export function changeWhatIsThere(database: Database, registrationPath: string) {
  return async (ctx: Context, next: Next) => {
    const clientId =
      ctx.method === 'PUT' && ctx.path.startsWith(`${registrationPath}/`) ? idIn(ctx.path.slice(registrationPath.length + 1)) : undefined;
    if (clientId !== undefined && (await readPower(database, clientId))?.scopes.length)
      // Its registration access token would otherwise be worth what an operator may do.
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
  // What says no length and is not sent in chunks has no body (RFC 9112 section 6.3).
  if (!ctx.headers['transfer-encoding'] && !Number(ctx.headers['content-length'])) return;
  const body = await readBody(ctx.req, LIMIT_BYTES).catch((error) => {
    throw error instanceof AppError && error.status === 413 ? new AppError('registration_too_large', { status: 413 }) : error;
  });
  if (body.length) replaceBody(ctx.req, body);
}
