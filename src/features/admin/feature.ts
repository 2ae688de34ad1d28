import type { Apart, Feature } from '../../feature.ts';
import { saveClient } from '../../oauth/clients/store.ts';
import { isAdminBeside } from '../../pages/admin-place.ts';
import type { Config } from '../../platform/config.ts';
import { derivedSecret } from '../../platform/secrets.ts';
import { adminClient } from './apart/client.ts';
import { createAdminDoor } from './apart/door.ts';
import { ROUTES } from './api/routes.ts';
import { adminApplication, publicAdminApi } from './listener.ts';
import { adminRoutes } from './routes.ts';

/** Administration: the pages and the API with which operators run the server. */
export const admin: Feature = {
  administration: { routes: ROUTES },
  async prepare({ config, database }) {
    // On an origin of their own, the pages are a client and need a registration.
    if (config.adminOrigin !== undefined) await database.transaction(saveClient(adminClient(config.adminOrigin, secretOf(config))));
  },
  early: publicAdminApi,
  mounts: (config) => (isAdminBeside(config) ? [{ under: ['/admin'], naming: true, routes: (served) => adminRoutes(served) }] : []),
  listener,
};

function listener(app: Parameters<NonNullable<Feature['listener']>>[0]): Apart | undefined {
  const { config, database, keyRing, ask } = app;
  const { adminPort: port, adminHost: host, adminOrigin: origin } = config;
  if (port === undefined || origin === undefined) return undefined;
  const door = createAdminDoor({ config, database, keyRing, ask, clientSecret: secretOf(config) });
  return {
    ...{ origin, host, port },
    mount: { under: ['/'], naming: true, routes: (served) => adminRoutes(served, door) },
    application: (pages) => adminApplication({ ...app, pages }),
  };
}

/** Derived, so that every node has the same secret. */
const secretOf = ({ dataEncryptionKeys }: Config) => derivedSecret(dataEncryptionKeys[0] as Uint8Array, 'admin-pages client secret');
