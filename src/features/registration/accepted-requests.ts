import type { Context, Next } from 'koa';
import { readBody, replaceBody } from '../../http/form.ts';
import { acceptRequest } from '../../oauth/clients/metadata/accepted-metadata.ts';

/** Owns the body of a registration request before the library reads it. oauth/clients/metadata/accepted-metadata.ts says what it becomes. */

/** Wraps the registration endpoint. @param scopes returns all scopes that a client may register. */
export function acceptRequests(scopes: () => ReadonlySet<string>, registrationPath: string) {
  return async (ctx: Context, next: Next) => {
    if (!ctx.path.startsWith(registrationPath) || !['POST', 'PUT'].includes(ctx.method) || !ctx.is('application/json')) return next();
    const body = await readBody(ctx.req);
    const request = objectIn(body);
    replaceBody(ctx.req, (request && written(acceptRequest(request, scopes()))) ?? body);
    await next();
  };
}

/** @returns the members of a JSON object; undefined for any other body, about which the library reports the error. */
export function objectIn(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** @returns undefined for a body that nests too deep to be written again. It stays as sent, and the check drops or refuses it. */
function written(members: Record<string, unknown>): Buffer | undefined {
  try {
    return Buffer.from(JSON.stringify(members));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
