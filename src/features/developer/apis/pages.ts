import type { OwnPage } from '../../../pages/own-pages.ts';
import { api, deletedApi } from './api.ts';
import { apis, newApi } from './apis.ts';
import { apiIntrospection } from './introspection.ts';
import { apiScopes } from './scopes.ts';

/** The pages on which owners manage their APIs: scopes, their texts, and the client that introspects. */
export const API_PAGES: Record<string, OwnPage> = {
  '/developer/apis': apis,
  '/developer/apis/new': newApi,
  '/developer/apis/:api': api,
  '/developer/apis/:api/scopes': apiScopes,
  '/developer/apis/:api/introspection': apiIntrospection,
  '/developer/apis/:api/delete': deletedApi,
};
