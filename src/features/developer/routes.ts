import type { Feature } from '../../feature.ts';
import type { App } from '../../oauth/app.ts';
import { type OwnPage, ownPages } from '../../pages/own-pages.ts';
import { API_PAGES } from './apis/pages.ts';
import { chooseApi } from './clients/choose-api.ts';
import { client } from './clients/client.ts';
import { clients } from './clients/clients.ts';
import { deletion } from './clients/deletion.ts';
import { health } from './clients/health.ts';
import { newClient } from './clients/new-client.ts';
import { preview } from './clients/preview.ts';
import { protocol } from './clients/protocol.ts';
import { secrets } from './clients/secrets.ts';
import { use } from './clients/use.ts';
import { clientErrors } from './errors/page.ts';
import { OWNER_PAGES } from './owners/pages.ts';
import { snippets } from './snippets/snippets.ts';
import { tryPages } from './try/try.ts';

/**
 * Owns the developer portal, where any user with an account registers and manages clients and APIs.
 * oauth/clients/metadata/registration-policy.ts decides which metadata is allowed, as for dynamic registration.
 */

const PAGES: Record<string, OwnPage> = {
  '/developer': clients,
  '/developer/clients/new': newClient,
  '/developer/clients/:client': client,
  '/developer/clients/:client/health': health,
  '/developer/clients/:client/api': chooseApi,
  '/developer/clients/:client/protocol': protocol,
  '/developer/clients/:client/secrets': secrets,
  '/developer/clients/:client/preview': preview,
  '/developer/clients/:client/delete': deletion,
  ...API_PAGES,
  ...OWNER_PAGES,
  '/developer/clients/:client/errors': clientErrors,
  '/developer/clients/:client/snippets': snippets,
  '/developer/clients/:client/use': use,
};

export function developerRoutes(app: App<Feature>) {
  return ownPages({ ...PAGES, ...tryPages(app.ask) }, app).routes();
}
