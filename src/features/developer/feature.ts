import type { Feature } from '../../feature.ts';
import { listOwnedApis } from './apis/api-ownership.ts';
import { listOwnedClients } from './clients/owned-clients.ts';
import { openErrorBook } from './errors/error-book.ts';
import { followPkceUse } from './pkce/pkce-use.ts';
import { developerRoutes } from './routes.ts';

/** The portal in which developers register and manage their clients and APIs. */
export const developer: Feature = {
  followers: (parts) => [openErrorBook(parts.database, parts.log), followPkceUse(parts)],
  async dataOfAccount(database, accountId) {
    const [clients, apis] = await Promise.all([listOwnedClients(database, accountId), listOwnedApis(database, accountId)]);
    return {
      ownedApps: clients.map(({ id, metadata, created_at }) => ({
        clientId: id,
        name: metadata['client_name'] ?? null,
        createdAt: created_at,
      })),
      ownedApis: apis.map(({ identifier, name }) => ({ identifier, name })),
    };
  },
  mounts: () => [{ under: ['/developer'], naming: true, routes: developerRoutes }],
};
