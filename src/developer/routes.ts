import { type OwnPage, type OwnServices, ownPages } from '../authorization-server/own-pages.ts';
import { KeyRing } from '../platform/secrets.ts';
import { clientErrors } from './client-errors.ts';
import { clients } from './clients.ts';

/**
 * Owns the developer portal: where whoever has an account registers clients and APIs of their own, and looks after them. What a client may say
 * of itself is authorization-server/registration-policy.ts's, as for one that registers by itself.
 */

const PAGES: Record<string, OwnPage> = {
  '/developer': clients,
  '/developer/clients/:client/errors': clientErrors,
};

export function developerRoutes(given: Omit<OwnServices, 'keyRing'>) {
  const services = { ...given, keyRing: new KeyRing(given.config.dataEncryptionKeys) };
  return ownPages(PAGES, services).routes();
}
