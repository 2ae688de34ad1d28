import type { Context, Next } from 'koa';
import type { Counts } from '../../audit/counts.ts';
import type { Budgets } from '../../http/budgets.ts';
import { readBody, replaceBody } from '../../http/form.ts';
import { visitorOf } from '../../http/visitor.ts';
import type { Config } from '../../platform/config.ts';
import type { RequestKind } from '../../platform/config-values.ts';
import { AppError } from '../../platform/errors.ts';
import type { ClientCache } from '../clients/cache.ts';
import { ROUTES } from '../routes.ts';
import { claimedClient } from './settle-request.ts';

/**
 * Owns how many requests that are kept one network may make in a minute. By network and client together, so that apps at one cloud provider leave each
 * other room; by network alone, so that nobody registers a hundred clients for a hundred times the room; and by all together. Never by client alone:
 * its id is public, and a stranger could close it to everybody.
 */

const MINUTE = 60;
/** What a network has for all its clients, in the room of one. */
const NETWORK = 5;
/** What all networks have together, in the room of one client. */
const EVERYBODY = 50;
/** What an app has that an operator verified, in the room of another. */
const VERIFIED = 10;

const KINDS: Record<string, RequestKind> = {
  [ROUTES.authorization]: 'authorize',
  [ROUTES.pushed_authorization_request]: 'par',
  [ROUTES.device_authorization]: 'device',
  [ROUTES.token]: 'token',
};

type Given = { config: Config; budgets: Budgets; clients: ClientCache; counts: Counts };

/** @throws AppError 429 `too_many_requests`, with the seconds until there is room. */
export function spendBudgets({ config, budgets, clients, counts }: Given) {
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
    // A browser that was here before is let in longest: what a flood uses up is the room of strangers.
    if (kind !== 'token') spend(isKnown(ctx) ? 'known' : 'everybody', points * EVERYBODY, '');
    await next();
  };
}

/** Whether the browser brings a cookie of ours, by its signature: a session, perhaps one that has ended. */
const isKnown = (ctx: Context): boolean => SESSION_COOKIES.some((name) => ctx.cookies.get(name, { signed: true }) !== undefined);
const SESSION_COOKIES = ['session', '__Host-session'];

/** Unproven: see above. */
async function clientNamedBy(ctx: Context): Promise<string | undefined> {
  if (ctx.method === 'GET') return claimedClient(ctx, new URLSearchParams(ctx.querystring));
  if (!ctx.is('application/x-www-form-urlencoded')) return undefined;
  const body = await readBody(ctx.req);
  replaceBody(ctx.req, body);
  return claimedClient(ctx, new URLSearchParams(body.toString('utf8')));
}
