import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import Koa, { type Middleware } from 'koa';
import type { Feature, Mount } from './feature.ts';
import { FEATURES } from './features.ts';
import { assets } from './http/assets.ts';
import { errorBoundary } from './http/boundary.ts';
import { drainingResponse } from './http/draining.ts';
import { type EndpointAt, knownEndpoints, onlyItsMethods } from './http/endpoints.ts';
import { drainBody } from './http/form.ts';
import type { Proxies } from './http/host.ts';
import { onlyOurHost } from './http/host.ts';
import { language } from './http/language.ts';
import { operatorLinks, operatorLinksOf } from './http/operator-links.ts';
import { endPresses } from './http/presses.ts';
import { requestLog } from './http/request-id.ts';
import { onlyPaths } from './http/request-target.ts';
import { securityHeaders } from './http/security-headers.ts';
import { type Part, under } from './http/under.ts';
import { answerUnread } from './http/unread-request.ts';
import { KEPT_SECONDS, protocolEndpoint } from './oauth/addresses.ts';
import { arriveAtApps } from './oauth/answers/arrival.ts';
import { wayBackFrom } from './oauth/answers/way-back.ts';
import type { App, StartingApp } from './oauth/app.ts';
import { createClientCache } from './oauth/clients/cache.ts';
import { firstPartyClient, RESOURCE_API_CLIENT } from './oauth/clients/first-party.ts';
import { beforeNaming } from './oauth/clients/metadata/client-judgement.ts';
import { saveClient } from './oauth/clients/store.ts';
import { createVerifiedNames } from './oauth/clients/verified-names.ts';
import type { CurrentProvider } from './oauth/current-provider.ts';
import { keepProvider } from './oauth/current-provider.ts';
import type { Guard } from './oauth/feature.ts';
import { inUnitOfWork, protocolEndpoints } from './oauth/provider.ts';
import { ownResourceServers, saveResourceServers } from './oauth/scopes/resource-servers.ts';
import { health } from './operations/health.ts';
import { home } from './operations/home.ts';
import { hearOfUnlistedProxies } from './operations/unlisted-proxies.ts';
import { lookAtHashes } from './people/store.ts';
import type { Config } from './platform/config.ts';
import type { Database } from './platform/database.ts';
import { followKeyUse } from './platform/key-use.ts';
import { fetchThrough } from './platform/outgoing.ts';
import { derivedSecret, KeyRing } from './platform/secrets.ts';
import { RESOURCE_API_PATHS, resourceApi } from './resource-api/routes.ts';
import { interactionRoutes } from './sign-in/dispatcher.ts';

/** The composition root: builds every part once and mounts them in one order. */

export type RunningServer = {
  /** The listening address, as `http://host:port`. */
  address: string;
  /** The address of administration, if it has its own listener. */
  adminAddress: string | undefined;
  /** Writes what followers of the library's events collected. */
  write(): Promise<unknown>;
  /** The server's key ring, for work beside the requests. */
  keyRing: KeyRing;
  /**
   * Stops without losing requests: /readyz is 503 at once, and each answer closes its connection. After `drainSeconds` the listener and
   * idle connections close; requests in progress finish.
   * @param hurry ends the wait early.
   */
  close(hurry?: AbortSignal): Promise<void>;
};

// How long requests in progress may take to finish.
const FINISH_MS = 8_000;

const LISTENING = { maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000 };

type Started = Pick<App, 'config' | 'database' | 'log' | 'counts'> & {
  features?: readonly Feature[];
};

/**
 * @param counts receives the counts of events; the caller writes them to the database.
 * @param features all features by default.
 * @throws when the port is taken or the database cannot be reached.
 */
export async function startServer({ config: given, database, log, counts, features = FEATURES }: Started): Promise<RunningServer> {
  // Copies of the key lists, because followKeyUse() reorders them.
  const config = { ...given, cookieKeys: [...given.cookieKeys], dataEncryptionKeys: [...given.dataEncryptionKeys] };
  // Comes first: from here on the server uses the database's clock for all it issues.
  await database.ping();
  const keyUse = await followKeyUse(config, { database, log, delayMinutes: config.keyDelayMinutes });
  const start = { config, database, log, keyRing: new KeyRing(config.dataEncryptionKeys), features };
  const apiSecret = await registerOwnApi(config, database);
  await database.transaction(saveClient(firstPartyClient(config.issuer)));
  for (const feature of features) await feature.prepare?.(start);
  await lookAtHashes(database);

  const followers = features.flatMap((feature) => feature.followers?.(start) ?? []);
  const names = createVerifiedNames(database);
  const clients = createClientCache(database);
  const guards = features.flatMap((feature) => feature.guard?.({ ...start, counts, clients }) ?? []);
  const providers = await keepProvider({ ...start, clients, names, followers, counts });
  const write = () => Promise.all(followers.map((follower) => follower.write()));
  let closing = false;
  let address = '';
  const ask = fetchThrough(() => address, config.issuer);
  const proxies = { trusted: config.trustedProxies, onUnlisted: hearOfUnlistedProxies({ database, log, counts }) };
  const app: ServerApp = { ...start, counts, names, guards, providers, proxies, apiSecret, ask, isClosing: () => closing };

  const listener = (issuer: string, answer: RequestListener) =>
    createServer({ ...LISTENING, ServerResponse: drainingResponse(() => closing) }, onlyPaths({ issuer, log, answer }));
  const answer = application(app).callback();
  const inFront = features.flatMap(({ inFront: build }) =>
    build ? providers.serve((provider) => build({ ...start, provider, counts })) : [],
  );
  const server = listener(
    config.issuer,
    inFront.reduceRight<RequestListener>(
      (next, way) => (request, response) => way(request, response, () => next(request, response)),
      answer,
    ),
  );
  const unread = { issuer: config.issuer, log, endpointAt: endpointAt(config), operatorLinks: operatorLinksOf(config) };
  server.on('clientError', answerUnread(unread));
  address = await listen(server, config);
  const apart = features.flatMap((feature) => feature.listener?.({ ...start, ask, proxies }) ?? []);
  const others = apart.map((one) => ({ ...one, server: listener(one.origin, one.application(pagesApart(app, one.mount)).callback()) }));
  const addresses = await Promise.all(others.map((one) => listen(one.server, one))).catch((error) => stop(server, error));
  return {
    address,
    adminAddress: addresses?.[0],
    write,
    keyRing: start.keyRing,
    async close(hurry) {
      closing = true;
      // A balancer sends requests until its next check of /readyz. A listener that closes earlier refuses them. An idle connection that
      // closes while a request arrives loses that request.
      if (config.drainSeconds) await pause(config.drainSeconds * 1_000, undefined, { signal: hurry }).catch(() => {});
      providers.close();
      keyUse.close();
      await Promise.all([server, ...others.map((one) => one.server)].map((one) => stop(one)));
      await Promise.all([write(), ...guards.map((guard) => guard.close())]);
    },
  };
}

/** The bag that the server keeps, of which features receive a part. */
type ServerApp = StartingApp<Feature> &
  Pick<App, 'counts' | 'names' | 'ask'> & {
    guards: readonly Guard[];
    providers: CurrentProvider;
    proxies: Proxies;
    apiSecret: string;
    isClosing(): boolean;
  };

/** One ordered list: what runs before all requests, the server's own API, the pages, and the protocol last. */
function application(app: ServerApp): Koa {
  const { config, database, log, keyRing, counts, features, names, guards, providers } = app;
  const { issuer } = config;
  const mounts = [SIGN_IN, ...features.flatMap((feature) => feature.mounts?.(config) ?? [])];
  const koa = new Koa({ proxy: true, keys: config.cookieKeys });
  // An error after the response began, such as a client that disconnected, can only be logged.
  koa.on('error', (error) => log.warn({ event: 'response_failed', reason: error.message }));
  const parts: Part[] = [
    requestLog(log),
    drainBody(),
    securityHeaders(issuer),
    health(database, app.isClosing),
    assets(),
    ...features.flatMap((feature) => feature.assets?.(database) ?? []),
    operatorLinks(config),
    language(),
    knownEndpoints(endpointAt(config)),
    errorBoundary(log),
    onlyOurHost(issuer, app.proxies),
    onlyItsMethods,
    // The resource API gets its own credentials and nothing else.
    under(
      Object.values(RESOURCE_API_PATHS),
      resourceApi({ database, issuer, clientId: RESOURCE_API_CLIENT, clientSecret: app.apiSecret, fetch: app.ask }),
    ),
    home(),
    providers.serve((provider) => wayBackFrom(provider)),
    ...features.flatMap((feature) => feature.early?.(app) ?? []),
    under(
      mounts.flatMap((mount) => (mount.naming ? mount.under : [])),
      beforeNaming(names),
    ),
    endPresses,
    arriveAtApps(issuer),
    ...guards.flatMap((guard) => guard.parts),
    inUnitOfWork(database, features),
    ...mounts.map((mount) => under(mount.under, served(app, mount))),
    under(
      ['/oauth/', '/.well-known/', '/device'],
      providers.serve((provider, _servers, resources) =>
        protocolEndpoints({ provider, config, database, keyRing, names, counts, resources, features }),
      ),
    ),
  ];
  for (const part of parts) koa.use(part as Middleware);
  return koa;
}

const SIGN_IN: Mount = { under: ['/interaction/'], routes: interactionRoutes };

/** The routes of a mount, built again for each new provider. */
function served({ config, database, log, keyRing, features, counts, ask, names, providers }: ServerApp, { routes }: Mount): Part {
  const app = { config, database, log, keyRing, features, counts, ask, names };
  return providers.serve((provider, resourceServers, resources) => routes({ ...app, provider, resources, resourceServers }));
}

/** The middleware before the pages of a separate listener. */
const pagesApart = (app: ServerApp, mount: Mount): Part[] => [
  beforeNaming(app.names),
  endPresses,
  inUnitOfWork(app.database, app.features),
  served(app, mount),
];

/** The endpoints for programs, and the protocol's pages. For the API's documents the router decides which exist. */
function endpointAt({ registration }: Config): EndpointAt {
  const ofProtocol = protocolEndpoint(registration !== 'closed');
  return (path) => {
    if (path.startsWith(RESOURCE_API_PATHS.api)) return { forPrograms: true, readers: 'everyone' };
    if (path.startsWith(RESOURCE_API_PATHS.metadata)) return { forPrograms: true, readers: 'everyone', maxAgeSeconds: KEPT_SECONDS };
    return ofProtocol(path);
  };
}

/** Accepts no new requests, and lets those in progress finish. @throws `because`, if given. */
async function stop(server: Server, because?: Error): Promise<never | undefined> {
  const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const giveUp = setTimeout(() => server.closeAllConnections(), FINISH_MS);
  await stopped;
  clearTimeout(giveUp);
  if (because) throw because;
  return undefined;
}

/** Registers the server's own API, and a client that introspects for it. @returns that client's secret, the same on every node. */
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

function listen(server: Server, { port, host }: { port: number; host: string | undefined }): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const { address, port: actual, family } = server.address() as AddressInfo;
      const reachable = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '[::1]' : family === 'IPv6' ? `[${address}]` : address;
      resolve(`http://${reachable}:${actual}`);
    });
  });
}
