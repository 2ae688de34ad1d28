import type { Context, Next } from 'koa';
import { type EventType, recordEvent } from '../../audit/events.ts';
import { visitorOf } from '../../http/visitor.ts';
import { write } from '../../oauth/store/unit-of-work.ts';
import type { Database } from '../../platform/database.ts';
import { registeredWith } from './initial-access.ts';

/**
 * Owns the audit events of clients that manage their own registration (RFC 7591, RFC 7592). No user is signed in, so an event names only
 * the client.
 */

const EVENTS: Record<string, { status: number; type: EventType }> = {
  POST: { status: 201, type: 'client_made' },
  PUT: { status: 200, type: 'client_changed' },
  DELETE: { status: 204, type: 'client_deleted' },
};

/** Records the event in the same statement as the change, so that both are stored or neither. */
export function recordRegistrations(database: Database, registrationPath: string) {
  return async (ctx: Context, next: Next) => {
    await next();
    const expected = ctx.path.startsWith(registrationPath) ? EVENTS[ctx.method] : undefined;
    const clientId: string | undefined = ctx['oidc']?.entities.Client?.clientId;
    if (!expected || ctx.status !== expected.status || clientId === undefined) return;
    const token = await registeredWith();
    const detail = { by: 'registration', ...(token === undefined ? undefined : { token }) };
    const statement = recordEvent(visitorOf(ctx), { type: expected.type, clientId, detail });
    // The same purpose as the deletion, so that one statement runs both.
    await write(database, { purpose: expected.type === 'client_deleted' ? 'end' : 'issue', subject: `event of ${clientId}`, statement });
  };
}
