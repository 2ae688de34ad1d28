import type { Context, Next } from 'koa';
import compose from 'koa-compose';
import { errors, type JWKS, Provider } from 'oidc-provider';
import type { Counts } from '../audit/counts.ts';
import type { ClientCache } from '../clients/cache.ts';
import type { VerifiedNames } from '../clients/verified-names.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { under } from '../http/under.ts';
import { visitorOf } from '../http/visitor.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { placeVisitor } from '../protocol-store/sessions.ts';
import { SingleUseLost, unitOfWork } from '../protocol-store/unit-of-work.ts';
import { onlyExactAddresses } from './addresses.ts';
import { rememberReplaysOnce } from './client-assertions.ts';
import { createConfiguration, ROUTES } from './configuration.ts';
import { deviceFlow } from './device/device-flow.ts';
import { keepEndings } from './endings.ts';
import type { ErrorBook } from './error-book.ts';
import { logEvents } from './events.ts';
import { describeSubject } from './introspection.ts';
import { answerLibraryForms } from './library-forms.ts';
import { dressFormPost } from './pages.ts';
import { beforeNaming } from './registration/client-judgement.ts';
import { compareHashedSecrets, hideSecretHandles } from './registration/client-secrets.ts';
import { carryLimits, spendToken, tokenSpent } from './registration/initial-access.ts';
import { keepParsedClients } from './registration/parsed-clients.ts';
import { tellRegistrations } from './registration/registration-events.ts';
import { changeWhatIsThere, guardRegistration } from './registration/registration-guard.ts';
import { judgeSoftwareStatements } from './registration/software-statements.ts';
import { listOwnScopes } from './registration/stored-scopes.ts';
import type { ResourcePolicy } from './resource-servers.ts';
import { exchangeTokens } from './services/token-exchange.ts';
import { knownAccount } from './sign-in.ts';
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
}): Provider {
  const provider = new Provider(config.issuer, createConfiguration({ config, database, clients, names, jwks, resources }));
  // http/host.ts has written the forwarded headers: they say our own origin.
  provider.proxy = true;
  compareHashedSecrets(provider, database);
  carryLimits(provider);
  keepParsedClients(provider, clients);
  rememberReplaysOnce(provider, database);
  tellReachedContext(provider);
  exchangeTokens(provider, { config, database });
  listOwnScopes(provider, resources);
  logEvents(provider, log, counts, book);
  return provider;
}

/** The protocol's endpoints as middleware of our application; what is not theirs goes on to the next. */
export function protocolEndpoints(parts: { provider: Provider; config: Config; database: Database; names: VerifiedNames; counts: Counts }) {
  const { provider, config, database, counts } = parts;
  return compose([
    onlyExactAddresses as never,
    // Where nobody may register there is nothing to guard: those addresses are not there.
    ...(config.registration === 'closed'
      ? []
      : [
          under(
            [ROUTES.registration],
            compose([
              guardRegistration(database, ROUTES.registration),
              changeWhatIsThere(database, ROUTES.registration),
              spendToken(database),
              tellRegistrations(database, ROUTES.registration),
              beforeNaming(parts.names),
              judgeSoftwareStatements(parts, ROUTES.registration),
              hideSecretHandles(ROUTES.registration),
            ] as never[]) as never,
          ),
        ]),
    answerLibraryForms(parts),
    keepEndings(parts),
    dressFormPost,
    deviceFlow(config, database),
    allowFormPost,
    countIntrospections(counts),
    tellOwnApi(config, database),
    ...(provider.middleware as never[]),
  ]);
}

/**
 * Gives each protocol request and each step of an interaction its unit of work.
 * The loser of a race for a code or refresh token hears `invalid_grant`, like anyone who comes second (RFC 6749 section 5.2);
 * a browser that asks twice for the end of its interaction gets the same answer (endings.ts). Anyone else meets a page that says so, and so
 * does a user who answers a device second.
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

/** Tells the server's own API, when it introspects a person's token, about the person. */
function tellOwnApi(config: Config, database: Database) {
  return async (ctx: Context, next: Next) => {
    await next();
    const body = ctx.body as { active?: boolean; sub?: string; scope?: string } | undefined;
    if (ctx.path !== ROUTES.introspection || !body?.active || !body.sub || ctx['oidc'].client.introspects !== config.issuer) return;
    ctx.body = describeSubject(body, await knownAccount(database, body.sub));
  };
}
