import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import Koa, { type Middleware } from 'koa';
import type { Counts } from './audit/counts.ts';
import { factorRoutes } from './features/account/factors.ts';
import { accountRoutes } from './features/account/routes.ts';
import { type AdminDoor, createAdminDoor } from './features/admin/apart/door.ts';
import { adminApplication, publicAdminApi } from './features/admin/listener.ts';
import { adminRoutes } from './features/admin/routes.ts';
import { developerRoutes } from './features/developer/routes.ts';
import { connectRoutes } from './features/federation/account/connect.ts';
import { upstreamCallbacks } from './features/federation/endpoints/callback.ts';
import { upstreamClientKeys } from './features/federation/endpoints/jwks.ts';
import { sessionServices } from './features/federation/endpoints/session-token.ts';
import { assets } from './http/assets.ts';
import { errorBoundary } from './http/boundary.ts';
import { keepBudgets } from './http/budgets.ts';
import { drainingResponse } from './http/draining.ts';
import { type EndpointAt, knownEndpoints, onlyItsMethods } from './http/endpoints.ts';
import { drainBody } from './http/form.ts';
import { onlyOurHost } from './http/host.ts';
import { language } from './http/language.ts';
import { operatorLinks, operatorLinksOf } from './http/operator-links.ts';
import { endPresses } from './http/presses.ts';
import { requestLog } from './http/request-id.ts';
import { onlyPaths } from './http/request-target.ts';
import { securityHeaders } from './http/security-headers.ts';
import { under } from './http/under.ts';
import { answerUnread } from './http/unread-request.ts';
import { KEPT_SECONDS, protocolEndpoint } from './oauth/addresses.ts';
import { arriveAtApps } from './oauth/answers/arrival.ts';
import { openErrorBook } from './oauth/answers/error-book.ts';
import { wayBackFrom } from './oauth/answers/way-back.ts';
import { createClientCache } from './oauth/clients/cache.ts';
import { limitClientFailures } from './oauth/clients/client-failures.ts';
import { adminClient, firstPartyClient, RESOURCE_API_CLIENT } from './oauth/clients/first-party.ts';
import { clientLogos } from './oauth/clients/logo/serving.ts';
import { beforeNaming } from './oauth/clients/metadata/client-judgement.ts';
import { saveClient } from './oauth/clients/store.ts';
import { createVerifiedNames } from './oauth/clients/verified-names.ts';
import { keepProvider } from './oauth/current-provider.ts';
import { createShortIntrospection } from './oauth/introspection/introspection.ts';
import { inUnitOfWork, protocolEndpoints } from './oauth/provider.ts';
import { spendBudgets } from './oauth/requests/request-budgets.ts';
import { ownResourceServers, saveResourceServers } from './oauth/scopes/resource-servers.ts';
import type { PkceUse } from './oauth/store/pkce-use.ts';
import { health } from './operations/health.ts';
import { home } from './operations/home.ts';
import { mailbox } from './operations/mailbox.ts';
import { hearOfUnlistedProxies } from './operations/unlisted-proxies.ts';
import { isAdminBeside } from './pages/admin-place.ts';
import type { Config } from './platform/config.ts';
import type { Database } from './platform/database.ts';
import { followKeyUse } from './platform/key-use.ts';
import type { Log } from './platform/log.ts';
import { fetchThrough } from './platform/outgoing.ts';
import { derivedSecret, KeyRing } from './platform/secrets.ts';
import { RESOURCE_API_PATHS, resourceApi } from './resource-api/routes.ts';
import { interactionRoutes } from './sign-in/dispatcher.ts';
import { entrances } from './sign-in/entrances.ts';

/** The composition root: builds every part once and mounts them in one order. */

export type RunningServer = {
  /** Where it listens, as `http://host:port`. */
  address: string;
  /** Where administration listens, if that is elsewhere. */
  adminAddress: string | undefined;
  /**
   * Stops in the order that loses no request: /readyz is 503 at once, and each answer closes its connection. After `drainSeconds` the listener
   * and idle connections close; requests under way finish.
   * @param hurry ends the wait early.
   */
  close(hurry?: AbortSignal): Promise<void>;
};

// How long requests that are under way may take to finish.
const FINISH_MS = 8_000;

const LISTENING = { maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000 };

type Parts = { config: Config; database: Database; log: Log; counts: Counts; pkceUse?: PkceUse | undefined };

/**
 * @param counts what happens is added to it, and to `pkceUse` where there is one; who writes that, and when, is the caller's.
 * @throws when the port is taken or the database cannot be reached.
 */
export async function startServer({ config: given, database, log, counts, pkceUse }: Parts): Promise<RunningServer> {
  // Lists of its own, which change with the key that writes.
  const config = { ...given, cookieKeys: [...given.cookieKeys], dataEncryptionKeys: [...given.dataEncryptionKeys] };
  // First of all: what is issued is issued by the database's clock.
  await database.ping();
  const keyUse = await followKeyUse(config, { database, log, delayMinutes: config.keyDelayMinutes });
  const apiSecret = await registerOwnApi(config, database);
  await database.transaction(saveClient(firstPartyClient(config.issuer)));
  const adminSecret = await registerAdminPages(config, database);
  const errors = openErrorBook(database, log);
  const names = createVerifiedNames(database);
  const clients = createClientCache(database);
  const budgets = keepBudgets(database, log);
  const providers = await keepProvider({ config, database, clients, names, log, errors, counts, pkceUse });
  let closing = false;
  let address = '';
  const ask = fetchThrough(() => address, config.issuer);

  const proxies = { trusted: config.trustedProxies, onUnlisted: hearOfUnlistedProxies({ database, log, counts }) };
  const endpoints = endpointAt(config);
  const administration = (door?: AdminDoor) =>
    providers.serve((provider, resourceServers) => adminRoutes({ provider, database, config, resourceServers }, door) as never);
  const app = new Koa({ proxy: true, keys: config.cookieKeys });
  // An error after the answer began, such as a client that hung up: nobody is left to tell but the log.
  app.on('error', (error) => log.warn({ event: 'response_failed', reason: error.message }));
  app.use(requestLog(log));
  app.use(drainBody());
  app.use(securityHeaders(config.issuer));
  app.use(health(database, () => closing));
  app.use(assets());
  app.use(under(['/logos/'], clientLogos(database)));
  app.use(operatorLinks(config));
  app.use(language());
  app.use(knownEndpoints(endpoints));
  app.use(errorBoundary(log));
  app.use(onlyOurHost(config.issuer, proxies));
  app.use(onlyItsMethods);
  app.use(
    under(
      Object.values(RESOURCE_API_PATHS),
      resourceApi({
        database,
        issuer: config.issuer,
        // It is told its credentials and no more.
        clientId: RESOURCE_API_CLIENT,
        clientSecret: apiSecret,
        fetch: ask,
      }),
    ),
  );
  for (const part of publicAdminApi({ config, database, log })) app.use(part);
  app.use(home());
  app.use(providers.serve((provider) => wayBackFrom(provider) as never));
  app.use(entrances(config.issuer));
  if (config.environment === 'development') app.use(mailbox({ database, config }));
  app.use(under(['/upstream/'], upstreamCallbacks(database, new KeyRing(config.dataEncryptionKeys)) as never));
  app.use(under(['/upstream/'], upstreamClientKeys(database, new KeyRing(config.dataEncryptionKeys)) as never));
  app.use(under(['/developer', '/admin'], beforeNaming(names) as never));
  app.use(endPresses);
  app.use(arriveAtApps(config.issuer));
  app.use(under(['/oauth/'], spendBudgets({ config, budgets, clients, counts })));
  app.use(under(['/oauth/'], limitClientFailures()));
  app.use(inUnitOfWork(database));
  app.use(
    under(
      ['/interaction/'],
      providers.serve((provider, resourceServers) => interactionRoutes({ provider, database, config, resourceServers, counts }) as never),
    ),
  );
  app.use(
    under(
      ['/account/factors', '/.well-known/passkey-endpoints'],
      providers.serve((provider) => factorRoutes({ provider, database, config }) as never),
    ),
  );
  app.use(
    under(
      ['/account/links/'],
      providers.serve((provider, resourceServers) => connectRoutes({ provider, database, config, resourceServers }) as never),
    ),
  );
  app.use(
    under(
      ['/account'],
      providers.serve((provider, resourceServers) => accountRoutes({ provider, database, config, resourceServers }) as never),
    ),
  );
  app.use(
    under(
      ['/developer'],
      providers.serve((provider, resourceServers) => developerRoutes({ provider, database, config, resourceServers, ask }) as never),
    ),
  );
  if (isAdminBeside(config)) app.use(under(['/admin'], administration()));
  app.use(
    under(
      ['/services'],
      providers.serve((provider) => sessionServices({ provider, database, config }) as never),
    ),
  );
  app.use(
    under(
      ['/oauth/', '/.well-known/', '/device'],
      providers.serve(
        (provider, _servers, resources) => protocolEndpoints({ provider, config, database, names, counts, resources }) as never,
      ),
    ),
  );

  const answer = app.callback();
  const introspection = providers.serve((provider) => createShortIntrospection({ provider, database, issuer: config.issuer, log, counts }));
  const options = { ...LISTENING, ServerResponse: drainingResponse(() => closing) };
  const listener = (issuer: string, answer: RequestListener) => createServer(options, onlyPaths({ issuer, log, answer }));
  const server = listener(config.issuer, (request, response) => introspection(request, response, () => answer(request, response)));
  server.on('clientError', answerUnread({ issuer: config.issuer, log, endpointAt: endpoints, operatorLinks: operatorLinksOf(config) }));
  address = await listen(server, config);
  const { adminPort, adminHost, adminOrigin } = config;
  let apart: Server | undefined;
  if (adminPort !== undefined && adminOrigin !== undefined) {
    const door = createAdminDoor({ config, database, ask, clientSecret: adminSecret });
    const pages = [beforeNaming(names), endPresses, inUnitOfWork(database), administration(door)] as Middleware[];
    apart = listener(adminOrigin, adminApplication({ config, database, log, proxies, pages }).callback());
  }
  const adminAddress = apart && (await listen(apart, { port: adminPort as number, host: adminHost }).catch((error) => stop(server, error)));
  return {
    address,
    adminAddress,
    async close(hurry) {
      closing = true;
      // A balancer goes on sending until its next check of /readyz. A listener that closed before would refuse those requests, and an idle
      // connection that closes just when a request arrives on it loses that one.
      if (config.drainSeconds) await pause(config.drainSeconds * 1_000, undefined, { signal: hurry }).catch(() => {});
      providers.close();
      keyUse.close();
      await Promise.all([stop(server), apart && stop(apart)]);
      await Promise.all([errors.close(), budgets.close()]);
    },
  };
}

/** The endpoints that programs call, and the protocol's pages. Of the API's documents the router says which there are. */
function endpointAt({ registration }: Config): EndpointAt {
  const ofProtocol = protocolEndpoint(registration !== 'closed');
  return (path) => {
    if (path.startsWith(RESOURCE_API_PATHS.api)) return { forPrograms: true, readers: 'everyone' };
    if (path.startsWith(RESOURCE_API_PATHS.metadata)) return { forPrograms: true, readers: 'everyone', maxAgeSeconds: KEPT_SECONDS };
    return ofProtocol(path);
  };
}

/** Takes nothing more, and lets what is under way finish. @throws `because`, when that is why. */
async function stop(server: Server, because?: Error): Promise<never | undefined> {
  const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const giveUp = setTimeout(() => server.closeAllConnections(), FINISH_MS);
  await stopped;
  clearTimeout(giveUp);
  if (because) throw because;
  return undefined;
}

/** Makes the server's own API known, with a client that introspects for it. @returns that client's secret, the same on every node. */
async function registerOwnApi(config: Config, database: Database): Promise<string> {
  const secret = derivedSecret(config.dataEncryptionKeys[0] as Uint8Array, 'resource-api client secret');
  await saveResourceServers(database, ownResourceServers(config.issuer));
  await database.transaction(
    saveClient({
      client_id: RESOURCE_API_CLIENT,
      client_name: 'Munjigi API',
      client_secret: secret,
      grant_types: [],
      response_types: [],
      redirect_uris: [],
      introspects: config.issuer,
    }),
  );
  return secret;
}

/** Makes the client known that the pages of administration are, where they have an origin of their own. @returns its secret, the same on every node. */
async function registerAdminPages({ adminOrigin, dataEncryptionKeys }: Config, database: Database): Promise<string> {
  const secret = derivedSecret(dataEncryptionKeys[0] as Uint8Array, 'admin-pages client secret');
  if (adminOrigin !== undefined) await database.transaction(saveClient(adminClient(adminOrigin, secret)));
  return secret;
}

function listen(server: Server, { port, host }: { port: number; host: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const { address, port: actual, family } = server.address() as AddressInfo;
      const reachable = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '[::1]' : family === 'IPv6' ? `[${address}]` : address;
      resolve(`http://${reachable}:${actual}`);
    });
  });
}
