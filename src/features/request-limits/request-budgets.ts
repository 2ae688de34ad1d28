import type { Context, Next } from 'koa';
import { readBody, replaceBody } from '../../http/form.ts';
import { visitorOf } from '../../http/visitor.ts';
import type { App } from '../../oauth/app.ts';
import type { ClientCache } from '../../oauth/clients/cache.ts';
import { claimedClient } from '../../oauth/requests/settle-request.ts';
import { ROUTES } from '../../oauth/routes.ts';
import type { RequestKind } from '../../platform/config-values.ts';
import { AppError } from '../../platform/errors.ts';
import type { Budgets } from './budgets.ts';

/**
 * Owns how many stored requests one network may make in a minute. The first budget is per network and client, so that apps of one cloud
 * provider
 * do not block each other. The second is per network, so that a hundred registered clients get no hundredfold budget.
 * The third is for all together. There is no budget per client: its id is public, and a stranger could exhaust it.
 */

const MINUTE = 60;
/** The budget of a network for all its clients, as a multiple of one client's. */
const NETWORK = 5;
/** The budget of all networks together, as a multiple of one client's. */
const EVERYBODY = 50;
/** The budget of an app that an operator verified, as a multiple of another app's. */
const VERIFIED = 10;

const KINDS: Record<string, RequestKind> = {
  [ROUTES.authorization]: 'authorize',
  [ROUTES.pushed_authorization_request]: 'par',
  [ROUTES.device_authorization]: 'device',
  [ROUTES.token]: 'token',
};

type Budgeting = Pick<App, 'config' | 'counts'> & { budgets: Budgets; clients: ClientCache };

/** @throws AppError 429 `too_many_requests`, with the seconds until the budget allows a request. */
export function spendBudgets({ config, budgets, clients, counts }: Budgeting) {
  return async (ctx: Context, next: Next): Promise<void> => {
    const kind = KINDS[ctx.path];
    if (!kind || ctx.method !== (kind === 'authorize' ? 'GET' : 'POST')) return next();
    const points = config.requestLimits[kind];
    const { address: network } = visitorOf(ctx);
    const clientId = await clientNamedBy(ctx);
    const spend = (name: string, most: number, key: string) => {
      const seconds = budgets.spend({ name: `${kind} ${name}`, points: most, seconds: MINUTE }, key);
      if (seconds === undefined) return;
      counts.add('limited', kind);
      const values = { minutes: 1, most, name };
      throw new AppError('too_many_requests', { status: 429, reason: `budget ${kind} ${name}`, retryAfterSeconds: seconds, values });
    };
    const verified = clientId !== undefined && (await clients.find(clientId).catch(() => undefined))?.['publisher'];
    spend('client', points * (verified ? VERIFIED : 1), `${network} ${clientId ?? ''}`);
    spend('network', points * NETWORK * (verified ? VERIFIED : 1), `${network}${verified ? ' verified' : ''}`);
    // A browser that was here before has a budget of its own, so that a flood of new browsers does not exhaust it.
    if (kind !== 'token') spend(isKnown(ctx) ? 'known' : 'everybody', points * EVERYBODY, '');
    await next();
  };
}

/** Whether the browser sends a session cookie that this server signed. The session may have ended. */
const isKnown = (ctx: Context): boolean => SESSION_COOKIES.some((name) => ctx.cookies.get(name, { signed: true }) !== undefined);
const SESSION_COOKIES = ['session', '__Host-session'];

/** @returns the client id that the request claims, without proof: see above. */
async function clientNamedBy(ctx: Context): Promise<string | undefined> {
  if (ctx.method === 'GET') return claimedClient(ctx, new URLSearchParams(ctx.querystring));
  if (!ctx.is('application/x-www-form-urlencoded')) return undefined;
  const body = await readBody(ctx.req);
  replaceBody(ctx.req, body);
  return claimedClient(ctx, new URLSearchParams(body.toString('utf8')));
}
