import type { JWKS, Provider } from 'oidc-provider';
import type { ClientCache } from '../clients/cache.ts';
import { listResourceServers } from '../clients/resource-servers.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import type { Log } from '../platform/log.ts';
import { KeyRing } from '../platform/secrets.ts';
import { watchSigningKeys } from './key-watch.ts';
import { createProvider } from './provider.ts';
import { createResourcePolicy } from './resource-servers.ts';

/**
 * Owns which provider serves. The library reads its keys once, so when other keys are to be published, or another is to sign, a new
 * provider takes the place of the one before: the next request is its, and requests under way finish with the one they began with.
 */
export type CurrentProvider = {
  /** @param make makes a part of the server out of a provider: once for each, and a request stays in the one it came to. */
  serve<Request extends unknown[], Answer>(make: (provider: Provider) => (...request: Request) => Answer): (...request: Request) => Answer;
  /** The last one stays. */
  close(): void;
};

/** @throws when the database does not answer, or DATA_ENCRYPTION_KEYS do not open a signing key. */
export async function keepProvider(ingredients: {
  config: Config;
  database: Database;
  clients: ClientCache;
  log: Log;
}): Promise<CurrentProvider> {
  const { config, database, log } = ingredients;
  const resources = createResourcePolicy(await listResourceServers(database), config.issuer);
  let provider: Provider | undefined;
  const keys = await watchSigningKeys({ database, keyRing: new KeyRing(config.dataEncryptionKeys), log }, (jwks) => {
    provider = createProvider({ ...ingredients, resources, jwks: jwks as JWKS });
  });
  return {
    serve(make) {
      let made: { of: Provider; part: ReturnType<typeof make> } | undefined;
      return (...request) => {
        if (!made || made.of !== provider) made = { of: provider as Provider, part: make(provider as Provider) };
        return made.part(...request);
      };
    },
    close: keys.close,
  };
}
