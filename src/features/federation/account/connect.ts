import Router from '@koa/router';
import type { Context } from 'koa';
import { assertOurForm } from '../../../http/csrf.ts';
import { readForm } from '../../../http/form.ts';
import { languageOf } from '../../../http/language.ts';
import { goOnward } from '../../../http/onward.ts';
import { seeOther } from '../../../http/see-other.ts';
import { nameOfClient } from '../../../oauth/clients/display-name.ts';
import { newestGrant } from '../../../oauth/store/grants.ts';
import { signedIn } from '../../../pages/first-party.ts';
import { sentToProve } from '../../../pages/fresh-proof.ts';
import {
  csrfSubject,
  type OwnServices,
  pressedBefore,
  RECENT_SECONDS,
  show,
  TO_FILL_IN_SECONDS,
  type Visit,
} from '../../../pages/own-pages.ts';
import { AppError } from '../../../platform/errors.ts';
import { type Identity, identityAt } from '../identities.ts';
import { accountThere, bringBack, keepConnection, problemIn, sendForApp } from '../services/connecting.ts';
import { type Connection, connectionAt } from '../services/connections.ts';
import { UpstreamError } from '../upstream-error.ts';
import { noneOfOurs, openRequest, type Request, sealRequest, wayBack } from './connect-request.ts';

/**
 * Owns the page that an app sends a person to when it wants a token and the provider has to be asked once more: the `interaction_uri` of the
 * token exchange. It names the app and what it may do; from there to the provider, and back to the app.
 */

/** What the page is about: everything of it was looked at, nothing is the app's mere word. */
type Asked = Connection & { request: Request; client: Client; grant: Grant; identity: Identity | undefined };

type Client = Parameters<typeof connectionAt>[2]['client'];
type Grant = Parameters<typeof connectionAt>[2]['grant'];

export function connectRoutes(services: OwnServices) {
  const vault = { database: services.database, keyRing: services.keyRing, issuer: services.config.issuer };
  const router = new Router();

  router.get('/account/links/:provider/connect', async (ctx) => {
    if (ctx.query['request'] === undefined) return seeOther(ctx, pageOf(ctx, sealRequest(services.keyRing, ctx)));
    const sealed = String(ctx.query['request']);
    const there = await enter(ctx, services, sealed, 0);
    if (there) page(there.visit, there.asked, sealed);
  });

  router.post('/account/links/:provider/connect', async (ctx) => {
    const form = await readForm(ctx);
    const sealed = form.get('request') ?? '';
    const there = await enter(ctx, services, sealed, TO_FILL_IN_SECONDS);
    if (!there) return;
    const { visit, asked } = there;
    assertOurForm(ctx, services.config.cookieKeys, csrfSubject(visit), form.get('csrf'), services.config.issuer);
    if (await pressedBefore(ctx, services, form)) return;
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
    const door = await signedIn(ctx, services, { page: '/account' });
    if (!door) return;
    const visit = { ...door, ctx, services };
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
 * Who is there, and what it is about. A link that is to be made opens the account from then on: that takes a sign-in of a moment ago.
 * @returns undefined when the browser was sent to sign in.
 */
async function enter(
  ctx: Context,
  services: OwnServices,
  sealed: string,
  leisureSeconds: number,
): Promise<{ visit: Visit; asked: Asked } | undefined> {
  const page = pageOf(ctx, sealed);
  ctx.state.pagePath = ctx.path;
  ctx.state.pageQuery = new URLSearchParams({ request: sealed }).toString();
  // Before anybody is asked to sign in for it.
  openRequest(services.keyRing, ctx, sealed);
  const door = await signedIn(ctx, services, { page });
  if (!door) return undefined;
  const visit = { ...door, ctx, services };
  const asked = await judge(visit, sealed);
  if (asked.identity) return { visit, asked };
  if (!(await signedIn(ctx, services, { page, maxAgeSeconds: RECENT_SECONDS + leisureSeconds }))) return undefined;
  const proof = `connect/${asked.provider.id}?request=${encodeURIComponent(sealed)}` as const;
  if (asked.provider.settings.signIn && sentToProve(ctx, door.session, proof)) return undefined;
  return { visit, asked };
}

/** @throws AppError 400 for what is not so, or no longer: nobody is sent anywhere then. */
async function judge({ ctx, account, services }: Visit, sealed: string): Promise<Asked> {
  const { database, provider: library, keyRing } = services;
  const request = openRequest(keyRing, ctx, sealed);
  const client = await library.Client.find(request.clientId);
  if (!client) throw noneOfOurs('client_unknown');
  // As at the authorization endpoint: a place that only begins like a registered one is another.
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

/** This browser's session of this person: nobody else's answer is taken. */
const boundTo = ({ account, session }: Visit) => `connect ${account.id} ${session.uid}`;
