import Router from '@koa/router';
import type { Context, Middleware, Next } from 'koa';
import compose from 'koa-compose';
import { z } from 'zod';
import { readJson } from '../../../http/form.ts';
import type { App } from '../../../oauth/app.ts';
import { isTrustedOrigin } from '../../../oauth/clients/store.ts';
import { type Database, isStorable } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import { answerWithToken, listServices } from '../services/reached-services.ts';
import { type Holder, holderOfSession, holderOfToken } from '../services/service-holder.ts';

/**
 * Owns the endpoints that let pages of first-party web apps reach providers without a token of ours. They rely on the browser's session and
 * on a web origin that an operator trusts with it.
 * Permissions, tokens and audit events are the same as for token exchange: without the user's consent, the client cannot act here either.
 * The cookie is SameSite=Lax, so the page must be on our own site.
 */
export function sessionServices(app: App): Middleware {
  const router = new Router();
  router.use('/services', headers);
  router.options(['/services', '/services/:provider/token'], (ctx) => preflight(ctx, app.database));
  router.get('/services', async (ctx) => {
    const holder = ctx.headers.authorization === undefined ? await bySession(ctx, app, ctx.query['client_id']) : await byToken(ctx, app);
    if (holder) ctx.body = { services: await listServices(app, holder) };
  });
  router.post('/services/:provider/token', async (ctx) => {
    const { client_id, scope, refused_token } = await readAsked(ctx);
    const holder = await bySession(ctx, app, client_id);
    if (holder) await answerWithToken(ctx, app, holder, { audience: String(ctx['params'].provider), scope, refusedToken: refused_token });
  });
  return compose([router.routes(), router.allowedMethods()] as never);
}

/** These answers are for one page only and must not be cached. */
function headers(ctx: Context, next: Next): Promise<void> {
  ctx.set('Cache-Control', 'no-store');
  ctx.vary('Origin');
  return next();
}

const asked = z.strictObject({
  client_id: z.string().min(1).max(255),
  scope: z
    .string()
    .max(2_000)
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/)
    .optional(),
  refused_token: z
    .string()
    .max(16 * 1024)
    .optional(),
});

/** @throws AppError 400 for an undocumented body, 415 for another content type: a form on a foreign page cannot send JSON. */
async function readAsked(ctx: Context): Promise<z.infer<typeof asked>> {
  const body = asked.safeParse(await readJson(ctx));
  if (!body.success || !isStorable(body.data)) throw new AppError('invalid_request', { status: 400, reason: 'not_as_documented' });
  return body.data;
}

/**
 * @returns undefined when no user is signed in for the client to act for, after answering 401. @throws AppError 403 for a page of another
 * origin.
 */
async function bySession(ctx: Context, app: App, clientId: unknown): Promise<Holder | undefined> {
  const origin = ctx.headers.origin;
  const client = typeof clientId === 'string' && isStorable(clientId) ? await app.provider.Client.find(clientId) : undefined;
  const origins = client?.['origins'];
  if (!client || !origin || !Array.isArray(origins) || !origins.includes(origin))
    throw new AppError('origin_refused', { status: 403, reason: 'not_an_origin_of_this_client' });
  allowOrigin(ctx, origin);
  const holder = await holderOfSession(app, ctx, client);
  if (!holder) answerWith(ctx, 401, 'login_required', 'nobody is signed in at this browser, or something is left to do to be so');
  return holder;
}

/** For a client with an access token of ours, from any origin (RFC 6750). @returns undefined for an invalid token, after answering 401. */
async function byToken(ctx: Context, app: App): Promise<Holder | undefined> {
  const token = /^Bearer +([\w.~+/-]+=*) *$/i.exec(ctx.get('authorization'))?.[1];
  const holder = token === undefined ? undefined : await holderOfToken(app, token);
  if (holder) return holder;
  const description = 'the access token is expired, revoked, malformed or meant for another resource';
  ctx.set('WWW-Authenticate', `Bearer error="invalid_token", error_description="${description}"`);
  answerWith(ctx, 401, 'invalid_token', description);
  return undefined;
}

const PREFLIGHT_SECONDS = 600;

/** A browser sends a preflight before JSON. It does not name the client, so any client with this origin allows it. */
async function preflight(ctx: Context, database: Database): Promise<void> {
  const origin = ctx.headers.origin;
  ctx.status = 204;
  if (!origin || !(await isTrustedOrigin(database, origin))) return;
  allowOrigin(ctx, origin);
  ctx.set('Access-Control-Allow-Methods', 'GET, POST');
  ctx.set('Access-Control-Allow-Headers', 'Content-Type');
  ctx.set('Access-Control-Max-Age', String(PREFLIGHT_SECONDS));
}

/** @param origin an origin that the caller has checked. */
function allowOrigin(ctx: Context, origin: string): void {
  ctx.set('Access-Control-Allow-Origin', origin);
  ctx.set('Access-Control-Allow-Credentials', 'true');
  ctx.set('Access-Control-Expose-Headers', 'Retry-After');
}

function answerWith(ctx: Context, status: number, error: string, description: string): void {
  ctx.status = status;
  ctx.body = { error, error_description: description };
  ctx.state.logged = { ...ctx.state.logged, error };
}
