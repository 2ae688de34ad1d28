import type { JWKS, Provider } from 'oidc-provider';
import type { App, StartingApp } from './app.ts';
import type { ClientCache } from './clients/cache.ts';
import type { Follower, ProtocolFeature } from './feature.ts';
import { followScopes } from './internals.ts';
import { watchSigningKeys } from './keys/key-watch.ts';
import { createProvider } from './provider.ts';
import { createResourcePolicy, type ResourcePolicy } from './scopes/resource-policy.ts';
import type { ResourceServer } from './scopes/resource-servers.ts';
import { watchScopes } from './scopes/scope-watch.ts';

/**
 * Owns which provider serves. The library reads its keys once. When the published keys or the signing key change, a new provider replaces
 * the old.
 * New requests use the new provider, and running requests finish with theirs. APIs and scopes change without a new provider:
 * see oauth/scopes/api-catalog.ts.
 */
export type CurrentProvider = {
  /** @param make builds a part of the server for a provider, once per provider. A request stays with the part that received it. */
  serve<Request extends unknown[], Answer>(
    make: (provider: Provider, resourceServers: readonly ResourceServer[], resources: ResourcePolicy) => (...request: Request) => Answer,
  ): (...request: Request) => Answer;
  /** Stops watching the keys. The last provider stays in use. */
  close(): void;
};

type ServingApp = StartingApp<ProtocolFeature> & Pick<App, 'counts' | 'names'> & { clients: ClientCache; followers: readonly Follower[] };

type Serving = { provider: Provider; resources: ResourcePolicy };

/** @throws when the database does not answer, or DATA_ENCRYPTION_KEYS cannot decrypt a signing key. */
export async function keepProvider(app: ServingApp): Promise<CurrentProvider> {
  const { config, database, keyRing, log, features, followers } = app;
  let serving: Serving | undefined;
  const catalog = await watchScopes({ database, issuer: config.issuer, log, features });
  const resources = createResourcePolicy(catalog, config.issuer, features);
  const keys = await watchSigningKeys({ database, keyRing, log, lifeDays: config.signingKeyDays }, (read) => {
    const provider = createProvider({ ...app, resources, jwks: read as JWKS });
    // The array itself, which cookie-key changes update in place. The library holds a copy of it otherwise.
    provider.keys = config.cookieKeys;
    followScopes(provider, catalog);
    for (const follower of followers) follower.listen(provider);
    serving = { provider, resources };
  });
  return {
    serve(make) {
      let made: { of: Serving | undefined; part: ReturnType<typeof make> } | undefined;
      return (...request) => {
        if (made?.of !== serving || !made) {
          const { provider, resources } = serving as Serving;
          made = { of: serving, part: make(provider, resources.servers, resources) };
        }
        return made.part(...request);
      };
    },
    close: keys.close,
  };
}
