import type { Context, Middleware, Next } from 'koa';
import compose from 'koa-compose';
import { readBody } from '../../../http/form.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { type Part, under } from '../../../http/under.ts';
import type { StartingApp } from '../../../oauth/app.ts';
import { ADMIN_SCOPES } from '../../../oauth/scopes/admin-scopes.ts';
import { adminApi as identifierOf } from '../../../oauth/scopes/resource-servers.ts';
import type { PagesFeature } from '../../../pages/feature.ts';
import { type ActingApp, perform } from '../../../pages/operators/act.ts';
import { readerOf, readPage } from '../../../pages/operators/list.ts';
import type { Route } from '../../../pages/operators/route.ts';
import type { Config } from '../../../platform/config.ts';
import { isStorable } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import type { Log } from '../../../platform/log.ts';
import { assertMay, type Caller, createCallers, metadataPath } from './caller.ts';
import { describeApi } from './document.ts';
import { type ApiAnswer, judgeKey, once } from './idempotency.ts';
import { ApiProblem, problems, resultOf } from './problem.ts';
import { adminRoutesOf, PAGING, routesAt } from './routes.ts';

/**
 * Owns the admin API: the acts and lists of the operators' pages, for programs. It accepts only access tokens for its own resource, no
 * cookies. The configuration decides where it listens: see server.ts and features/admin/listener.ts.
 */

const ROOM = '/admin/api';
const BASE = `${ROOM}/v1`;

type ApiApp = StartingApp<PagesFeature>;
type Call = { ctx: Context; caller: Caller; target: string; app: ApiApp };

export function adminApi(app: ApiApp): Part {
  const { config, database, log, features } = app;
  const { issuer } = config;
  const all = adminRoutesOf(features);
  const document = JSON.stringify(describeApi(issuer, all));
  const callerOf = createCallers(database, issuer);
  const answer = async (ctx: Context) => {
    if (!ctx.path.startsWith(`${BASE}/`)) throw new ApiProblem('not_found');
    const path = ctx.path.slice(BASE.length);
    const isDocument = path === '/openapi.json';
    const found = isDocument ? { routes: [], target: '' } : routesAt(all, path);
    // The document of all paths is public, so an unknown path needs no token to get 404.
    if (!found) throw new ApiProblem('not_found');
    const route = found.routes.find(({ method }) => method === ctx.method.replace('HEAD', 'GET'));
    if (isDocument && ['GET', 'HEAD'].includes(ctx.method)) return writeJson(ctx, 200, document);
    if (!route) throw new ApiProblem('method_not_allowed', { headers: { Allow: isDocument ? 'GET, HEAD' : allowed(found.routes) } });
    const caller = await callerOf(ctx);
    ctx.state.logged = { ...ctx.state.logged, client_id: caller.clientId, operation: route.name };
    await limitRate(database, LIMITS.adminApi, readerOf(caller));
    assertMay(caller, route.scope, issuer);
    await respond({ ctx, caller, target: found.target, app }, route);
  };
  return under([`${ROOM}/`], compose([problems(issuer, log), answer] as never));
}

/** Answers 404 where the API is not served. @param addresses the path prefixes to answer for. */
export function noAdminApi({ issuer }: Config, log: Log, addresses = [`${ROOM}/`]): Part {
  const nothing = () => {
    throw new ApiProblem('not_found');
  };
  return under(addresses, compose([problems(issuer, log), nothing] as never));
}

/** Serves the protected resource metadata, which names the authorization server and the scopes (RFC 9728 section 3.1). */
export function adminApiMetadata({ issuer }: Config): Middleware {
  return (ctx: Context, next: Next) => {
    if (ctx.path !== metadataPath || !['GET', 'HEAD'].includes(ctx.method)) return next();
    const [resource, scopes_supported] = [identifierOf(issuer), ADMIN_SCOPES];
    ctx.body = { resource, authorization_servers: [issuer], scopes_supported, bearer_methods_supported: ['header'] };
  };
}

const allowed = (routes: Route[]) => routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');

async function respond(call: Call, route: Route): Promise<void> {
  const { ctx, target, app } = call;
  switch (route.kind) {
    case 'list':
      return respondWithPage(call, route);
    case 'one': {
      const one = await route.find(app.database, target);
      if (!one) throw new ApiProblem('not_found');
      return writeJson(ctx, 200, JSON.stringify(one));
    }
    case 'act':
      return respondToAct(call, route);
  }
}

async function respondWithPage({ ctx, caller, app }: Call, route: Route & { kind: 'list' }): Promise<void> {
  const { list } = route;
  const { limit, cursor, ...rest } = ctx.query;
  const [paging, filters] = [PAGING.safeParse({ limit, cursor }), list.filters.safeParse({ ...rest })];
  const issues = [...(paging.error?.issues ?? []), ...(filters.error?.issues ?? [])];
  if (!paging.success || !filters.success)
    throw new ApiProblem('invalid_request', { errors: issues.map(({ path, message }) => ({ field: path.join('.'), detail: message })) });
  if (!isStorable(filters.data))
    throw new ApiProblem('invalid_request', { detail: 'parameters must not contain NUL or unpaired surrogates' });
  const page = await readPage(list, app, { ...paging.data, filters: filters.data, reader: readerOf(caller) });
  if (!page) throw new ApiProblem('invalid_cursor');
  if (page.next) {
    const query = new URLSearchParams(rest as Record<string, string>);
    if (paging.data.limit) query.set('limit', String(paging.data.limit));
    query.set('cursor', page.next);
    ctx.set('Link', `<${ctx.path}?${query}>; rel="next"`);
  }
  writeJson(ctx, 200, JSON.stringify({ data: page.rows, next_cursor: page.next ?? null }));
}

async function respondToAct({ ctx, caller, target, app }: Call, route: Route & { kind: 'act' }): Promise<void> {
  const { act } = route;
  const sent = ctx.get('idempotency-key');
  if (act.creates && !sent) throw new ApiProblem('idempotency_key_missing');
  const key = sent && judgeKey(sent);
  const body = (await readBody(ctx.req)).toString('utf8');
  const input = parsed(ctx, body);
  const run = async (along?: ActingApp['along']): Promise<ApiAnswer> => {
    const outcome = await perform(act, { ...app, actor: caller, ...(along && { along }) }, { target, input });
    return { status: act.creates ? 201 : 200, body: resultOf(outcome) };
  };
  const name = `${caller.clientId}\n${caller.accountId ?? ''}\n${key}`;
  const asked = { name, request: `${ctx.method} ${ctx.path}\n${body}`, creates: act.creates === true };
  const answer = key ? await once(app, asked, run) : await run();
  if ('replayed' in answer && answer.replayed) ctx.set('Idempotency-Replayed', 'true');
  writeJson(ctx, answer.status, JSON.stringify(answer.body));
}

/** @throws AppError 415, ApiProblem 400. */
function parsed(ctx: Context, body: string): unknown {
  if (!body) return {};
  if (!ctx.is('application/json')) throw new AppError('unsupported_media_type', { status: 415 });
  try {
    return JSON.parse(body);
  } catch {
    throw new ApiProblem('invalid_request', { detail: 'the body is not JSON' });
  }
}

function writeJson(ctx: Context, status: number, json: string): void {
  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  ctx.body = json;
  ctx.type = 'application/json';
}
