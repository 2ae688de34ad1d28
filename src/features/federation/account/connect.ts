import Router from '@koa/router';
import type { Context } from 'koa';
import type { Feature } from '../../../feature.ts';
import { assertOurForm } from '../../../http/csrf.ts';
import { readForm } from '../../../http/form.ts';
import { languageOf } from '../../../http/language.ts';
import { goOnward, seeOther } from '../../../http/redirects.ts';
import type { App } from '../../../oauth/app.ts';
import { nameOfClient } from '../../../oauth/clients/display-name.ts';
import { newestGrant } from '../../../oauth/store/grants.ts';
import { signedIn } from '../../../pages/first-party.ts';
import { sentToProve } from '../../../pages/fresh-proof.ts';
import { csrfSubject, pressedBefore, RECENT_SECONDS, show, TO_FILL_IN_SECONDS, type Visit } from '../../../pages/own-pages.ts';
import { AppError } from '../../../platform/errors.ts';
import { type Identity, identityAt } from '../identities.ts';
import { accountThere, bringBack, keepConnection, problemIn, sendForApp } from '../services/connecting.ts';
import { type Connection, connectionAt } from '../services/connections.ts';
import { UpstreamError } from '../upstream-error.ts';
import { noneOfOurs, openRequest, type Request, sealRequest, wayBack } from './connect-request.ts';

/**
 * Owns the `interaction_uri` of the token exchange: the page to which a client sends a user when the provider must authorize again. The
 * page names the client and what it may do. It leads to the provider and then back to the client.
 */

/** What the page is about. Every member is verified; none is only the client's claim. */
type Asked = Connection & { request: Request; client: Client; grant: Grant; identity: Identity | undefined };

type Client = Parameters<typeof connectionAt>[2]['client'];
type Grant = Parameters<typeof connectionAt>[2]['grant'];

export function connectRoutes(app: App<Feature>) {
  const vault = { database: app.database, keyRing: app.keyRing, issuer: app.config.issuer };
  const router = new Router();

  router.get('/account/links/:provider/connect', async (ctx) => {
    if (ctx.query['request'] === undefined) return seeOther(ctx, pageOf(ctx, sealRequest(app.keyRing, ctx)));
    const sealed = String(ctx.query['request']);
    const there = await enter(ctx, app, sealed, 0);
    if (there) page(there.visit, there.asked, sealed);
  });

  router.post('/account/links/:provider/connect', async (ctx) => {
    const form = await readForm(ctx);
    const sealed = form.get('request') ?? '';
    const there = await enter(ctx, app, sealed, TO_FILL_IN_SECONDS);
    if (!there) return;
    const { visit, asked } = there;
    assertOurForm(ctx, app.config.cookieKeys, csrfSubject(visit), form.get('csrf'), app.config.issuer);
    if (await pressedBefore(ctx, app, form)) return;
    try {
      const { provider, allowed } = asked;
      const whose = { accountId: visit.account.id, returnTo: `${ctx.path}/return`, bound: boundTo(visit) };
      goOnward(ctx, await sendForApp(vault, { provider, allowed, ...whose, carried: { sealed } }));
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      seeOther(ctx, `${pageOf(ctx, sealed)}&problem=${error.kind}`);
    }
  });

  router.get('/account/links/:provider/connect/return', async (ctx) => {
    const door = await signedIn(ctx, app, { page: '/account' });
    if (!door) return;
    const visit = { ...door, ctx, app };
    const brought = await bringBack(vault, ctx.querystring, boundTo(visit));
    if (!brought) throw new AppError('upstream_visit_gone', { status: 400, reason: 'visit_used_expired_or_of_another' });
    const sealed = String(brought.visit.carried['sealed']);
    const asked = await judge(visit, sealed);
    const problem =
      'problem' in brought
        ? brought.problem
        : await keepConnection(vault, ctx, brought.arrival, { account: door.account, session: door.session, ...asked });
    if (problem) return seeOther(ctx, `${pageOf(ctx, sealed)}&problem=${problem}`);
    seeOther(ctx, wayBack(asked.request, { service: asked.provider.id }) ?? '/account/links?done');
  });

  return router.routes();
}

/**
 * Reads the user and the verified request. A new link becomes a way to sign in, so making one requires a recent sign-in.
 * @returns undefined after sending the browser to sign in.
 */
async function enter(
  ctx: Context,
  app: App<Feature>,
  sealed: string,
  leisureSeconds: number,
): Promise<{ visit: Visit; asked: Asked } | undefined> {
  const page = pageOf(ctx, sealed);
  ctx.state.pagePath = ctx.path;
  ctx.state.pageQuery = new URLSearchParams({ request: sealed }).toString();
  // Reject an invalid request before asking the user to sign in.
  openRequest(app.keyRing, ctx, sealed);
  const door = await signedIn(ctx, app, { page });
  if (!door) return undefined;
  const visit = { ...door, ctx, app };
  const asked = await judge(visit, sealed);
  if (asked.identity) return { visit, asked };
  if (!(await signedIn(ctx, app, { page, maxAgeSeconds: RECENT_SECONDS + leisureSeconds }))) return undefined;
  const proof = `connect/${asked.provider.id}?request=${encodeURIComponent(sealed)}` as const;
  if (asked.provider.settings.signIn && sentToProve(ctx, door.session, proof)) return undefined;
  return { visit, asked };
}

/** @throws AppError 400 for a request that is not valid, or no longer: the browser is then sent nowhere. */
async function judge({ ctx, account, app }: Visit, sealed: string): Promise<Asked> {
  const { database, provider: library, keyRing } = app;
  const request = openRequest(keyRing, ctx, sealed);
  const client = await library.Client.find(request.clientId);
  if (!client) throw noneOfOurs('client_unknown');
  // The same rule as at the authorization endpoint: a URI that only starts like a registered one does not match.
  if (request.redirectUri !== undefined && !client.redirectUriAllowed(request.redirectUri)) throw noneOfOurs('redirect_uri_not_registered');
  const newest = await newestGrant(database, account.id, client.clientId);
  const grant = newest ? await library.Grant.find(newest) : undefined;
  const connection = grant && (await connectionAt(database, request.providerId, { client, grant }));
  if (!grant || !connection) throw new AppError('connect_not_allowed', { status: 400, reason: grant ? 'no_service_allowed' : 'no_grant' });
  return { ...connection, request, client, grant, identity: await identityAt(database, account.id, connection.provider.id) };
}

function page(visit: Visit, { request, client, provider, allowed, identity }: Asked, sealed: string): void {
  const { ctx } = visit;
  const language = languageOf(ctx);
  show(visit, 'account/connect', {
    action: ctx.path,
    request: sealed,
    clientName: nameOfClient(client, languageOf(ctx)),
    provider: provider.name,
    account: accountThere(identity),
    services: allowed.services.map(({ title, sensitive }) => ({ title: title[language], sensitive })),
    why: problemIn(ctx.query),
    back: wayBack(request, { service: provider.id, error: 'access_denied' }) ?? '/account/links',
  });
}

const pageOf = (ctx: Context, sealed: string) => `/account/links/${ctx['params'].provider}/connect?request=${encodeURIComponent(sealed)}`;

/** Binds the visit to this user's session in this browser: an answer from any other session is refused. */
const boundTo = ({ account, session }: Visit) => `connect ${account.id} ${session.uid}`;
