import type { Provider } from 'oidc-provider';
import type { Counts } from '../audit/counts.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import type { Log } from '../platform/log.ts';
import type { KeyRing } from '../platform/secrets.ts';
import type { VerifiedNames } from './clients/verified-names.ts';
import type { ResourcePolicy } from './scopes/resource-policy.ts';
import type { ResourceServer } from './scopes/resource-servers.ts';

/**
 * The bag of dependencies: what the server builds once and passes to its functions. A function takes the bag, or exactly the fields that it
 * uses: `Pick<App, 'config' | 'database'>`. `Feature` is the part of a feature's contract that the function calls.
 */
export type App<Feature = unknown> = StartingApp<Feature> & {
  counts: Counts;
  /** Reaches this server by its issuer's address, even where only a proxy has that address. */
  ask: typeof fetch;
  names: VerifiedNames;
  /** The provider that serves now, with its APIs. The server builds the bag again for each provider: see current-provider.ts. */
  provider: Provider;
  resources: ResourcePolicy;
  resourceServers: readonly ResourceServer[];
};

/** The bag at the start of the server, before a provider exists. */
export type StartingApp<Feature = unknown> = {
  config: Config;
  database: Database;
  log: Log;
  /** The data encryption keys. It follows which of them writes: see platform/key-use.ts. */
  keyRing: KeyRing;
  features: readonly Feature[];
};
