import type { Context, Next } from 'koa';
import compose from 'koa-compose';
import { errors, type JWKS, Provider } from 'oidc-provider';
import type { Counts } from '../audit/counts.ts';
import { assertNotCompressed } from '../http/form.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { visitorOf } from '../http/visitor.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import { onlyExactAddresses } from './addresses.ts';
import { keepEndings } from './answers/endings.ts';
import { logEvents } from './answers/events.ts';
import { holdErrors, noteAuthorizationErrors } from './answers/leaving.ts';
import { answerLibraryForms } from './answers/library-forms.ts';
import { renderFormPost } from './answers/pages.ts';
import type { App, StartingApp } from './app.ts';
import type { ClientCache } from './clients/cache.ts';
import { judgeAssertions, rememberReplaysOnce } from './clients/client-assertions.ts';
import { compareHashedSecrets } from './clients/client-secrets.ts';
import { listOwnScopes } from './clients/metadata/stored-scopes.ts';
import { keepParsedClients } from './clients/parsed-clients.ts';
import { decideRedirectUris } from './clients/redirect-uris.ts';
import { createConfiguration } from './configuration.ts';
import type { EndpointApp, ProtocolFeature } from './feature.ts';
import { answerUnverifiedHints } from './requests/id-token-hints.ts';
import { checkPkceAgain } from './requests/pkce-policy.ts';
import { redirectPostedRequests } from './requests/posted-requests.ts';
import { answerAsRequestObjectSays } from './requests/request-objects.ts';
import { refuseLongRequests } from './requests/request-size.ts';
import { explainResponseTypes } from './requests/response-types.ts';
import { rememberAsked, settleRequest } from './requests/settle-request.ts';
import { ROUTES } from './routes.ts';
import { knownAccount } from './session/accounts.ts';
import { keepProofs } from './session/session-proofs.ts';
import { checkSignOutRequest } from './session/sign-out.ts';
import { answerRequestedContext } from './session/strength.ts';
import { placeVisitor } from './store/sessions.ts';
import { SingleUseLost, unitOfWork } from './store/unit-of-work.ts';
import { bindIdTokens, settleAudiences, stateGrantedScope } from './tokens/access-tokens.ts';
import { describeClient, describeSubject } from './tokens/introspection.ts';
import { introspectJwts } from './tokens/jwt-access-tokens.ts';
import { answerFromWinner, settleTokenRequests } from './tokens/second-use.ts';

/**
 * Builds the library's provider from the table in configuration.ts, and extends it where the library has no setting.
 * current-provider.ts decides which provider serves.
 */
export function createProvider({
  config,
  database,
  keyRing,
  clients,
  names,
  log,
  jwks,
  resources,
  counts,
  features,
}: StartingApp<ProtocolFeature> & Pick<App, 'counts' | 'names' | 'resources'> & { clients: ClientCache; jwks: JWKS }): Provider {
  const provider = new Provider(
    config.issuer,
    createConfiguration({ config, database, keyRing, clients, names, jwks, resources, features }),
  );
  // http/host.ts has set the forwarded headers to this server's own origin.
  provider.proxy = true;
  compareHashedSecrets(provider, database);
  keepProofs(provider);
  decideRedirectUris(provider);
  keepParsedClients(provider, clients);
  judgeAssertions(provider, config.issuer);
  rememberReplaysOnce(provider, database);
  introspectJwts(provider);
  answerRequestedContext(provider);
  explainResponseTypes(provider);
  answerUnverifiedHints(provider);
  for (const feature of features) feature.extend?.(provider, { config, database, keyRing, resources });
  settleAudiences(provider);
  rememberAsked(provider);
  bindIdTokens(provider);
  listOwnScopes(provider, resources);
  checkPkceAgain(provider, config.pkce);
  logEvents(provider, log, counts);
  noteAuthorizationErrors(provider);
  return provider;
}

/** The protocol's endpoints as Koa middleware. Other requests pass to the next middleware. */
export function protocolEndpoints(app: EndpointApp & Pick<App<ProtocolFeature>, 'features'>) {
  const { provider, config, database, counts, resources } = app;
  return compose([
    onlyExactAddresses as never,
    refuseCompressed,
    refuseLongRequests,
    redirectPostedRequests(provider),
    answerAsRequestObjectSays,
    checkSignOutRequest(provider),
    answerLibraryForms(app),
    keepEndings(app),
    renderFormPost,
    holdErrors(app),
    settleTokenRequests(database),
    ...(app.features.flatMap((feature) => feature.aroundEndpoints?.(app) ?? []) as never[]),
    allowFormPost,
    countIntrospections(counts),
    addSubject(config, database),
    stateGrantedScope,
    settleRequest(provider, resources),
    ...(provider.middleware as never[]),
  ]);
}

/**
 * Runs each protocol request and each step of an interaction in a unit of work.
 * Within the grace window, the loser of a race for a refresh token gets the winner's response.
 * A browser that completes its interaction twice gets the same response twice (endings.ts).
 * The loser of any other race gets `invalid_grant`, like any second use (RFC 6749 section 5.2), or an error page.
 */
export function inUnitOfWork(database: Database, features: readonly Pick<ProtocolFeature, 'raceLost'>[]) {
  return async (ctx: Context, next: Next) => {
    try {
      await unitOfWork(
        database,
        () => {
          placeVisitor(() => visitorOf(ctx));
          return next();
        },
        () => ctx.status < 400,
        typeof ctx.query['client_id'] === 'string' ? ctx.query['client_id'] : undefined,
      );
    } catch (error) {
      if (!(error instanceof SingleUseLost)) throw error;
      // Nothing was written, so a session cookie would name a session that does not exist.
      ctx.remove('Set-Cookie');
      if (await answerFromWinner(database, ctx)) return;
      if (await ctx.state.repeatEnding?.()) return;
      if (ctx.path.startsWith(ROUTES.authorization) || ctx.path.startsWith('/interaction/'))
        throw new AppError('interaction_expired', { status: 400, reason: error.message });
      const refusal = refusalOf(ctx, error.message, features);
      if (refusal instanceof AppError) throw refusal;
      ctx.status = refusal.statusCode;
      ctx.remove('Location');
      ctx.body = { error: refusal.error, error_description: refusal.error_description };
      ctx.state.logged = { ...ctx.state.logged, error: refusal.error, reason: error.message };
    }
  };
}

function refusalOf(ctx: Context, reason: string, features: readonly Pick<ProtocolFeature, 'raceLost'>[]) {
  for (const feature of features) {
    const refusal = feature.raceLost?.(ctx as never, reason);
    if (refusal) return refusal;
  }
  return new errors.InvalidGrant(reason);
}

/** The library reads bodies itself and would take a compressed one for an empty form. */
function refuseCompressed(ctx: Context, next: Next): Promise<void> {
  assertNotCompressed(ctx.req);
  return next();
}

/** `response_mode=form_post` sends a form to the client, so the CSP must allow its verified redirect URI. */
async function allowFormPost(ctx: Context, next: Next): Promise<void> {
  await next();
  const oidc = ctx['oidc'];
  if (
    ctx.path.startsWith(ROUTES.authorization) &&
    ctx.response.is('html') &&
    oidc?.redirectUriCheckPerformed &&
    oidc.params?.response_mode === 'form_post'
  )
    allowFormAction(ctx, oidc.params.redirect_uri);
}

/** Counts introspections by the library; features/short-introspection counts its own. Errors are counted elsewhere. */
function countIntrospections(counts: Counts) {
  return async (ctx: Context, next: Next) => {
    await next();
    if (ctx.path !== ROUTES.introspection || ctx.status !== 200) return;
    counts.add('introspection', (ctx.body as { active?: boolean }).active ? 'active' : 'inactive');
  };
}

/** Adds `sub` to the introspection of a client's own token, and user data for the server's own API. */
function addSubject(config: Config, database: Database) {
  return async (ctx: Context, next: Next) => {
    await next();
    const body = ctx.body as { active?: boolean; sub?: string; scope?: string } | undefined;
    if (ctx.path !== ROUTES.introspection || !body?.active) return;
    if (!body.sub) ctx.body = describeClient(body);
    else if (ctx['oidc'].client.introspects === config.issuer) ctx.body = describeSubject(body, await knownAccount(database, body.sub));
  };
}
