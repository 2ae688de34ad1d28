import type { Context, Next } from 'koa';
import compose from 'koa-compose';
import { errors, type JWKS, Provider } from 'oidc-provider';
import type { Counts } from '../audit/counts.ts';
import type { ClientCache } from '../clients/cache.ts';
import type { VerifiedNames } from '../clients/verified-names.ts';
import { assertNotCompressed } from '../http/form.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { under } from '../http/under.ts';
import { visitorOf } from '../http/visitor.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { PkceUse } from '../protocol-store/pkce-use.ts';
import { placeVisitor } from '../protocol-store/sessions.ts';
import { SingleUseLost, unitOfWork } from '../protocol-store/unit-of-work.ts';
import { bindIdTokens, settleAudiences, tellGrantedScope } from './access-tokens.ts';
import { onlyExactAddresses } from './addresses.ts';
import { judgeAssertions, rememberReplaysOnce } from './client-assertions.ts';
import { createConfiguration, ROUTES } from './configuration.ts';
import { deviceFlow } from './device/device-flow.ts';
import { keepEndings } from './endings.ts';
import type { ErrorBook } from './error-book.ts';
import { logEvents } from './events.ts';
import { answerUnverifiedHints } from './id-token-hints.ts';
import { describeClient, describeSubject } from './introspection.ts';
import { introspectJwts } from './jwt-access-tokens.ts';
import { holdErrors, noteAuthorizationErrors } from './leaving.ts';
import { answerLibraryForms } from './library-forms.ts';
import { dressFormPost } from './pages.ts';
import { checkPkceAgain, recordPkceUse } from './pkce-policy.ts';
import { redirectPostedRequests } from './posted-requests.ts';
import { acceptRequests } from './registration/accepted-metadata.ts';
import { beforeNaming } from './registration/client-judgement.ts';
import { compareHashedSecrets, hideSecretHandles } from './registration/client-secrets.ts';
import { carryLimits, spendToken, tokenSpent } from './registration/initial-access.ts';
import { keepParsedClients } from './registration/parsed-clients.ts';
import { decideRedirectUris } from './registration/redirect-uris.ts';
import { tellRegistrations } from './registration/registration-events.ts';
import { changeWhatIsThere, guardRegistration } from './registration/registration-guard.ts';
import { placesOf } from './registration/registration-policy.ts';
import { judgeSoftwareStatements } from './registration/software-statements.ts';
import { listOwnScopes } from './registration/stored-scopes.ts';
import { answerAsRequestObjectSays } from './request-objects.ts';
import { refuseLongRequests } from './requests/request-size.ts';
import { rememberAsked, settleRequest } from './requests/settle-request.ts';
import type { ResourcePolicy } from './resource-servers.ts';
import { explainResponseTypes } from './response-types.ts';
import { answerFromWinner, settleTokenRequests } from './second-use.ts';
import { exchangeTokens } from './services/token-exchange.ts';
import { keepProofs } from './session-proofs.ts';
import { knownAccount } from './sign-in.ts';
import { signOutWithoutDeadEnd } from './sign-out.ts';
import { tellReachedContext } from './strength.ts';

/**
 * Builds the library's provider from the table in configuration.ts, with the few seams that it has no setting for.
 * The one that serves is current-provider.ts's to know.
 */
export function createProvider({
  config,
  database,
  clients,
  names,
  log,
  jwks,
  resources,
  errors: book,
  counts,
  pkceUse,
}: {
  config: Config;
  database: Database;
  clients: ClientCache;
  names: VerifiedNames;
  log: Log;
  jwks: JWKS;
  resources: ResourcePolicy;
  /** None, where nothing is served. */
  errors?: ErrorBook;
  counts: Counts;
  /** None, where nothing is served. */
  pkceUse?: PkceUse | undefined;
}): Provider {
  const provider = new Provider(config.issuer, createConfiguration({ config, database, clients, names, jwks, resources }));
  // http/host.ts has written the forwarded headers: they say our own origin.
  provider.proxy = true;
  compareHashedSecrets(provider, database);
  carryLimits(provider);
  keepProofs(provider);
  decideRedirectUris(provider);
  keepParsedClients(provider, clients);
  judgeAssertions(provider, config.issuer);
  rememberReplaysOnce(provider, database);
  introspectJwts(provider);
  tellReachedContext(provider);
  explainResponseTypes(provider);
  answerUnverifiedHints(provider);
  exchangeTokens(provider, { config, database });
  settleAudiences(provider);
  rememberAsked(provider);
  bindIdTokens(provider);
  listOwnScopes(provider, resources);
  checkPkceAgain(provider, config.pkce);
  if (pkceUse) recordPkceUse(provider, pkceUse, config.pkce, placesOf(config).tryCallback);
  logEvents(provider, log, counts, book);
  noteAuthorizationErrors(provider);
  return provider;
}

/** The protocol's endpoints as middleware of our application; what is not theirs goes on to the next. */
export function protocolEndpoints(parts: {
  provider: Provider;
  config: Config;
  database: Database;
  names: VerifiedNames;
  counts: Counts;
  resources: ResourcePolicy;
}) {
  const { provider, config, database, counts, resources } = parts;
  return compose([
    onlyExactAddresses as never,
    refuseCompressed,
    refuseLongRequests,
    redirectPostedRequests(provider),
    answerAsRequestObjectSays,
    signOutWithoutDeadEnd(provider),
    // Where nobody may register there is nothing to guard: those addresses are not there.
    ...(config.registration === 'closed'
      ? []
      : [
          under(
            [ROUTES.registration],
            compose([
              guardRegistration(database, config, ROUTES.registration),
              changeWhatIsThere(database, ROUTES.registration),
              spendToken(database),
              tellRegistrations(database, ROUTES.registration),
              beforeNaming(parts.names),
              judgeSoftwareStatements(parts, ROUTES.registration),
              acceptRequests(() => resources.scopes, ROUTES.registration),
              hideSecretHandles(ROUTES.registration),
            ] as never[]) as never,
          ),
        ]),
    answerLibraryForms(parts),
    keepEndings(parts),
    dressFormPost,
    holdErrors(parts),
    settleTokenRequests(database),
    deviceFlow(provider, config, database),
    allowFormPost,
    countIntrospections(counts),
    tellSubject(config, database),
    tellGrantedScope,
    settleRequest(provider, resources),
    ...(provider.middleware as never[]),
  ]);
}

/**
 * Gives each protocol request and each step of an interaction its unit of work.
 * The loser of a race for a refresh token gets the winner's answer within the grace window, and a browser that asks twice for the end of its
 * interaction gets the same answer (endings.ts). The loser of any other race hears `invalid_grant`, like anyone who comes second (RFC 6749
 * section 5.2), or gets a page that says so.
 */
export function inUnitOfWork(database: Database) {
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
      // Nothing was written: a cookie that went along would name a session that is not there.
      ctx.remove('Set-Cookie');
      if (await answerFromWinner(database, ctx)) return;
      if (await ctx.state.repeatEnding?.()) return;
      if (ctx.path.startsWith(ROUTES.authorization) || ctx.path.startsWith('/interaction/'))
        throw new AppError('interaction_expired', { status: 400, reason: error.message });
      if (ctx.path.startsWith(ROUTES.code_verification)) throw new AppError('device_answered', { status: 400, reason: error.message });
      const refusal = ctx.path.startsWith(ROUTES.registration) ? tokenSpent(ctx, error.message) : new errors.InvalidGrant(error.message);
      ctx.status = refusal.statusCode;
      ctx.remove('Location');
      ctx.body = { error: refusal.error, error_description: refusal.error_description };
      ctx.state.logged = { ...ctx.state.logged, error: refusal.error, reason: error.message };
    }
  };
}

/** The library reads bodies itself, and takes a compressed one for a form without parameters. */
function refuseCompressed(ctx: Context, next: Next): Promise<void> {
  assertNotCompressed(ctx.req);
  return next();
}

/** `response_mode=form_post` answers with a form to the client: its checked address may receive it. */
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

/** Those that come the long way; for the others see introspection.ts. Errors are counted as such. */
function countIntrospections(counts: Counts) {
  return async (ctx: Context, next: Next) => {
    await next();
    if (ctx.path !== ROUTES.introspection || ctx.status !== 200) return;
    counts.add('introspection', (ctx.body as { active?: boolean }).active ? 'active' : 'inactive');
  };
}

/** Adds to the library's answers of introspection: `sub` of a client's own token, and for the server's own API what it may know of the user. */
function tellSubject(config: Config, database: Database) {
  return async (ctx: Context, next: Next) => {
    await next();
    const body = ctx.body as { active?: boolean; sub?: string; scope?: string } | undefined;
    if (ctx.path !== ROUTES.introspection || !body?.active) return;
    if (!body.sub) ctx.body = describeClient(body);
    else if (ctx['oidc'].client.introspects === config.issuer) ctx.body = describeSubject(body, await knownAccount(database, body.sub));
  };
}
