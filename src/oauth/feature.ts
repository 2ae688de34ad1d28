import type { Client, Configuration, errors, interactionPolicy, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Counts } from '../audit/counts.ts';
import type { Part } from '../http/under.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import type { AppError } from '../platform/errors.ts';
import type { VerifiedNames } from './clients/verified-names.ts';
import type { ApiCatalog } from './scopes/api-catalog.ts';
import type { ResourcePolicy } from './scopes/resource-policy.ts';
import type { ResourceServer } from './scopes/resource-servers.ts';
import type { ProtocolStore } from './store/store.ts';

/** What a feature may add to the protocol. Each member is optional; src/feature.ts puts the parts of the contract together. */

type Parts = { config: Config; database: Database; resources: ResourcePolicy };
export type EndpointParts = Parts & { provider: Provider; names: VerifiedNames; counts: Counts };
export type OwnScope = ResourceServer['scopes'][number];

export type ProtocolFeature = {
  /** What it switches on in the library: see configuration.ts. */
  libraryFeatures?(parts: Parts): Configuration['features'];
  /** The stores of the library's models that only this feature uses, by the model's name: see adapter.ts. */
  stores?(parts: Omit<Parts, 'resources'>): Record<string, ProtocolStore>;
  /** Gives each new provider what the library has no setting for: a grant type, for example. */
  extend?(provider: Provider, parts: Parts): void;
  /** Stands around the library's endpoints, in the order of the list. */
  aroundEndpoints?(parts: EndpointParts): Part[];
  /** Adds prompts, or checks to the prompts that are there: see interaction-policy.ts. */
  prompts?(policy: interactionPolicy.DefaultPolicy, parts: Parts): void;
  /** Scopes of the server's own API that come from elsewhere; `changed` is the channel on which the database tells of a change. */
  ownScopes?: { changed: string; read(database: Database): Promise<OwnScope[]> };
  /** What no scope of a developer's API may begin with, before its colon. */
  reservedPrefixes?(database: Database): Promise<string[]>;
  /** Refuses a scope to a client at an authorization request. @throws errors.InvalidScope */
  judgeScopes?(catalog: Pick<ApiCatalog, 'find'>, issuer: string): (asked: unknown, client: Client) => Promise<void>;
  /** By what the client was registered that this request makes; kept with the client. */
  registeredWith?(): Promise<string | undefined>;
  /** What the loser of a race hears at an address of this feature. @param reason for the log. */
  outrun?(ctx: KoaContextWithOIDC, reason: string): errors.OIDCProviderError | AppError | undefined;
};
