import type { OwnScope } from '../../oauth/feature.ts';
import type { Database } from '../../platform/database.ts';
import { listProviders, scopeOf } from './providers.ts';

/**
 * What apps can do for a user at a provider is a scope of the server's own API: the API is asked for the user's token there (token-exchange.ts).
 */
export async function readServiceScopes(database: Database): Promise<OwnScope[]> {
  return (await listProviders(database)).flatMap((provider) =>
    provider.services.map((service) => ({
      name: scopeOf(provider, service),
      mayBeRequired: true,
      isDefault: false,
      sensitive: service.sensitive,
      title: service.title,
      provider: { id: provider.id, name: provider.name },
    })),
  );
}
