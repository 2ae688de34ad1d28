import type { OwnScope } from '../../oauth/feature.ts';
import type { Database } from '../../platform/database.ts';
import { listProviders, scopeOf } from './providers.ts';

/**
 * @returns the scopes of this server's own API for services at providers. A client uses them to get the user's token there: see
 * token-exchange.ts.
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
