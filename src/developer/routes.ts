import { type OwnPage, type OwnServices, ownPages } from '../authorization-server/own-pages.ts';
import { KeyRing } from '../platform/secrets.ts';
import { API_PAGES } from './api-pages.ts';
import { client } from './client.ts';
import { clients } from './clients.ts';
import { deletion } from './deletion.ts';
import { newClient } from './new-client.ts';
import { OWNER_PAGES } from './owner-pages.ts';
import { preview } from './preview.ts';
import { secrets } from './secrets.ts';

/**
 * Owns the developer portal: where whoever has an account registers clients and APIs of their own, and looks after them. What a client may say
 * of itself is authorization-server/registration-policy.ts's, as for one that registers by itself.
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
};

export function developerRoutes(given: Omit<OwnServices, 'keyRing'>) {
  const services = { ...given, keyRing: new KeyRing(given.config.dataEncryptionKeys) };
  return ownPages(PAGES, services).routes();
}
