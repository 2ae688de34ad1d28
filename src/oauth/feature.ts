import type { Client, Configuration, errors, interactionPolicy, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Part } from '../http/under.ts';
import type { Database } from '../platform/database.ts';
import type { AppError } from '../platform/errors.ts';
import type { App, StartingApp } from './app.ts';
import type { ClientCache } from './clients/cache.ts';
import type { ApiCatalog } from './scopes/api-catalog.ts';
import type { ResourceServer } from './scopes/resource-servers.ts';
import type { ProtocolStore } from './store/store.ts';

/** The part of a feature that extends the protocol. Each member is optional; src/feature.ts joins the parts of the contract. */

/** The bag while a provider is built. */
export type ProtocolApp = Pick<App, 'config' | 'database' | 'keyRing' | 'resources'>;
/** The bag of the library's endpoints. */
export type EndpointApp = ProtocolApp & Pick<App, 'provider' | 'names' | 'counts'>;
/** Listens to the library, and writes what it collected later, so that no request waits for it. */
export type Follower = {
  /** @param provider each provider that serves, in turn. */
  listen(provider: Provider): void;
  /** Writes what is not written yet. The server calls it every few seconds, and last at its stop. */
  write(): Promise<unknown>;
};

/** Middleware that counts requests in memory. `close` waits for what it writes. */
export type Guard = { parts: Part[]; close(): Promise<void> };

export type OwnScope = ResourceServer['scopes'][number];

export type ProtocolFeature = {
  /** The library's features that it switches on: see configuration.ts. */
  libraryFeatures?(app: ProtocolApp): Configuration['features'];
  /** The stores of library models that only this feature uses, by the model's name: see adapter.ts. */
  stores?(app: Pick<App, 'config' | 'database'>): Record<string, ProtocolStore>;
  /** Extends each new provider where the library has no setting, for example for a grant type. */
  extend?(provider: Provider, app: ProtocolApp): void;
  /** Follows the library's events for a report, such as the errors of a client. */
  followers?(app: Pick<StartingApp, 'config' | 'database' | 'log'>): Follower[];
  /** Middleware before the unit of work of pages and endpoints, which refuses requests at no cost. */
  guard?(app: Pick<App, 'config' | 'database' | 'log' | 'counts'> & { clients: ClientCache }): Guard;
  /** Middleware around the library's endpoints, in the order of the list. */
  aroundEndpoints?(app: EndpointApp): Part[];
  /** Adds prompts, or checks to existing prompts: see interaction-policy.ts. */
  prompts?(policy: interactionPolicy.DefaultPolicy, app: ProtocolApp): void;
  /** Scopes of the server's own API that the feature provides. `changed` is the database channel that announces a change. */
  ownScopes?: { changed: string; read(database: Database): Promise<OwnScope[]> };
  /** Prefixes that scopes of a developer's API must not have before their colon. */
  reservedPrefixes?(database: Database): Promise<string[]>;
  /** Refuses a scope to a client at an authorization request. @throws errors.InvalidScope */
  judgeScopes?(catalog: Pick<ApiCatalog, 'find'>, issuer: string): (asked: unknown, client: Client) => Promise<void>;
  /** @returns how this request registers a client, for example by which initial access token; stored with the client. */
  registeredWith?(): Promise<string | undefined>;
  /** @returns the error for the request that lost a race at an address of this feature. @param reason for the log. */
  raceLost?(ctx: KoaContextWithOIDC, reason: string): errors.OIDCProviderError | AppError | undefined;
};
