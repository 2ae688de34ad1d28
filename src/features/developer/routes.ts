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
 * Owns the developer portal, where any user with an account registers and manages clients and APIs.
 * oauth/clients/metadata/registration-policy.ts decides which metadata is allowed, as for dynamic registration.
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

/** @param ask a fetch that reaches this server as a client would. */
export function developerRoutes({ ask, ...services }: OwnServices & { ask: Fetch }) {
  return ownPages({ ...PAGES, ...tryPages(ask) }, services).routes();
}
