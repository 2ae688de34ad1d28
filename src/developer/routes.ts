import { type OwnPage, type OwnServices, ownPages } from '../authorization-server/own-pages.ts';
import { KeyRing } from '../platform/secrets.ts';
import { api, deletedApi } from './api.ts';
import { apiIntrospection } from './api-introspection.ts';
import { apiScopes } from './api-scopes.ts';
import { apis, newApi } from './apis.ts';
import { clients } from './clients.ts';
import { imported } from './import.ts';
import { invitations } from './invitations.ts';
import { manifest, manifestFile } from './manifest.ts';
import { owners } from './owners.ts';

/**
 * Owns the developer portal: where whoever has an account registers clients and APIs of their own, and looks after them. What a client may say
 * of itself is authorization-server/registration-policy.ts's, as for one that registers by itself.
 */

const PAGES: Record<string, OwnPage> = {
  '/developer': clients,
  '/developer/apis': apis,
  '/developer/apis/new': newApi,
  '/developer/apis/:api': api,
  '/developer/apis/:api/scopes': apiScopes,
  '/developer/apis/:api/introspection': apiIntrospection,
  '/developer/apis/:api/delete': deletedApi,
  '/developer/clients/:client/owners': owners,
  '/developer/clients/:client/manifest': manifest,
  '/developer/clients/:client/manifest/file': manifestFile,
  '/developer/invitations': invitations,
  '/developer/import': imported,
};

export function developerRoutes(given: Omit<OwnServices, 'keyRing'>) {
  const services = { ...given, keyRing: new KeyRing(given.config.dataEncryptionKeys) };
  return ownPages(PAGES, services).routes();
}
