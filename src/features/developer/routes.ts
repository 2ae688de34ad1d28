import { type OwnPage, type OwnServices, ownPages } from '../../pages/own-pages.ts';
import { API_PAGES } from './api-pages.ts';
import { client } from './client.ts';
import { clientErrors } from './client-errors.ts';
import { clients } from './clients.ts';
import { deletion } from './deletion.ts';
import { newClient } from './new-client.ts';
import { OWNER_PAGES } from './owner-pages.ts';
import { preview } from './preview.ts';
import { secrets } from './secrets.ts';
import { snippets } from './snippets.ts';
import { tryPages } from './try.ts';
import type { Fetch } from './try-client.ts';
import { use } from './use.ts';

/**
 * Owns the developer portal: where whoever has an account registers clients and APIs of their own, and looks after them. What a client may say
 * of itself is oauth/clients/metadata/registration-policy.ts's, as for one that registers by itself.
 */

const PAGES: Record<string, OwnPage> = {
  '/developer': clients,
  '/developer/clients/new': newClient,
  '/developer/clients/:client': client,
  '/developer/clients/:client/secrets': secrets,
  '/developer/clients/:client/preview': preview,
  '/developer/clients/:client/delete': deletion,
  ...API_PAGES,
  ...OWNER_PAGES,
  '/developer/clients/:client/errors': clientErrors,
  '/developer/clients/:client/snippets': snippets,
  '/developer/clients/:client/use': use,
};

/** @param ask how this server is reached as a client of its own. */
export function developerRoutes({ ask, ...services }: OwnServices & { ask: Fetch }) {
  return ownPages({ ...PAGES, ...tryPages(ask) }, services).routes();
}
