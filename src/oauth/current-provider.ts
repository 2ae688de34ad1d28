import type { JWKS, Provider } from 'oidc-provider';
import type { Counts } from '../audit/counts.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import type { Log } from '../platform/log.ts';
import { KeyRing } from '../platform/secrets.ts';
import type { ErrorBook } from './answers/error-book.ts';
import type { ClientCache } from './clients/cache.ts';
import type { VerifiedNames } from './clients/verified-names.ts';
import type { ProtocolFeature } from './feature.ts';
import { followScopes } from './internals.ts';
import { watchSigningKeys } from './keys/key-watch.ts';
import { createProvider } from './provider.ts';
import { createResourcePolicy, type ResourcePolicy } from './scopes/resource-policy.ts';
import type { ResourceServer } from './scopes/resource-servers.ts';
import { watchScopes } from './scopes/scope-watch.ts';
import type { PkceUse } from './store/pkce-use.ts';

/**
 * Owns which provider serves. The library reads its keys once, so when other keys are to be published, or another is to sign, a new provider takes
 * the place of the one before: the next request is its, and requests under way finish with the one they began with. APIs and their scopes change
 * without it: see oauth/scopes/api-catalog.ts.
 */
export type CurrentProvider = {
  /** @param make makes a part of the server out of a provider: once for each, and a request stays in the one it came to. */
  serve<Request extends unknown[], Answer>(
    make: (provider: Provider, resourceServers: readonly ResourceServer[], resources: ResourcePolicy) => (...request: Request) => Answer,
  ): (...request: Request) => Answer;
  /** The last one stays. */
  close(): void;
};

type Serving = { provider: Provider; resources: ResourcePolicy };

/** @throws when the database does not answer, or DATA_ENCRYPTION_KEYS do not open a signing key. */
export async function keepProvider(ingredients: {
  config: Config;
  database: Database;
  clients: ClientCache;
  names: VerifiedNames;
  log: Log;
  errors: ErrorBook;
  counts: Counts;
  pkceUse?: PkceUse | undefined;
  features: readonly ProtocolFeature[];
}): Promise<CurrentProvider> {
  const { config, database, log, features } = ingredients;
  let serving: Serving | undefined;
  const catalog = await watchScopes({ database, issuer: config.issuer, log, features });
  const resources = createResourcePolicy(catalog, config.issuer, features);
  const keys = await watchSigningKeys(
    { database, keyRing: new KeyRing(config.dataEncryptionKeys), log, lifeDays: config.signingKeyDays },
    (read) => {
      const provider = createProvider({ ...ingredients, resources, jwks: read as JWKS });
      // The list itself, which follows the key that signs cookies: the library took a copy.
      provider.keys = config.cookieKeys;
      followScopes(provider, catalog);
      serving = { provider, resources };
    },
  );
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
