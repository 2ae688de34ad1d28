import { z } from 'zod';
import type { PagesFeature } from '../../../pages/feature.ts';
import { actRoute, listRoute, type Route } from '../../../pages/operators/route.ts';
import { endAccessOfClient, endAccessOfPerson, endGrant, endToken } from '../acts/access.ts';
import {
  allowAdminScopes,
  deleteClient,
  endClientSecret,
  requirePkce,
  restoreClient,
  suspendClient,
  unverifyClient,
  verifyClient,
  waivePkce,
} from '../acts/clients.ts';
import { replaceKeys, rotateKeys, useKeys } from '../acts/keys.ts';
import { addClientOwner, removeClientOwner } from '../acts/owners.ts';
import {
  changeRole,
  createPerson,
  disablePerson,
  enablePerson,
  endSession,
  endSessionsOfPerson,
  removeFactorsOfPerson,
} from '../acts/people.ts';
import { deleteDevelopersResourceServer } from '../acts/resource-servers.ts';
import { grants, tokens } from '../lists/access.ts';
import { auditEvents, hourlyCounts } from '../lists/audit.ts';
import { clientDetails, clients, findClientDetails } from '../lists/clients.ts';
import { clientSecrets, sessions } from '../lists/held.ts';
import { keys } from '../lists/keys.ts';
import { findPerson, people, person } from '../lists/people.ts';
import { resourceServers } from '../lists/resource-servers.ts';

/** The routes of the admin API. Features add theirs: see pages/operators/route.ts. */

const READ = { method: 'GET', scope: 'admin:read', kind: 'one' } as const;

export const ROUTES: Route[] = [
  listRoute('/people', people),
  actRoute('POST', '/people', { createPerson }),
  { ...READ, path: '/people/{id}', name: 'get_person', summary: 'One user', shape: person, find: findPerson },
  actRoute('POST', '/people/{id}/disable', { disablePerson }),
  actRoute('POST', '/people/{id}/enable', { enablePerson }),
  actRoute('POST', '/people/{id}/end-sessions', { endSessionsOfPerson }),
  actRoute('POST', '/people/{id}/remove-factors', { removeFactorsOfPerson }),
  actRoute('POST', '/people/{id}/end-access', { endAccessOfPerson }),
  actRoute('POST', '/people/{id}/change-role', { changeRole }),
  listRoute('/sessions', sessions),
  actRoute('DELETE', '/sessions/{id}', { endSession }),
  listRoute('/clients', clients),
  {
    ...READ,
    path: '/clients/{id}',
    name: 'get_client',
    summary: 'One client, with its registered metadata',
    shape: clientDetails,
    find: findClientDetails,
  },
  actRoute('DELETE', '/clients/{id}', { deleteClient }),
  actRoute('POST', '/clients/{id}/verify', { verifyClient }),
  actRoute('POST', '/clients/{id}/unverify', { unverifyClient }),
  actRoute('POST', '/clients/{id}/suspend', { suspendClient }),
  actRoute('POST', '/clients/{id}/restore', { restoreClient }),
  actRoute('POST', '/clients/{id}/end-access', { endAccessOfClient }),
  actRoute('POST', '/clients/{id}/require-pkce', { requirePkce }),
  actRoute('POST', '/clients/{id}/waive-pkce', { waivePkce }),
  actRoute('POST', '/clients/{id}/allow-admin-scopes', { allowAdminScopes }),
  actRoute('POST', '/clients/{id}/add-owner', { addClientOwner }),
  actRoute('POST', '/clients/{id}/remove-owner', { removeClientOwner }),
  listRoute('/client-secrets', clientSecrets),
  actRoute('DELETE', '/client-secrets/{id}', { endClientSecret }),
  listRoute('/grants', grants),
  actRoute('DELETE', '/grants/{id}', { endGrant }),
  listRoute('/tokens', tokens),
  actRoute('DELETE', '/tokens/{id}', { endToken }),
  listRoute('/keys', keys),
  actRoute('POST', '/keys/rotate', { rotateKeys }),
  actRoute('POST', '/keys/replace', { replaceKeys }),
  actRoute('POST', '/keys/use', { useKeys }),
  listRoute('/resource-servers', resourceServers),
  actRoute('DELETE', '/resource-servers/{id}', { deleteDevelopersResourceServer }),
  listRoute('/audit-events', auditEvents, 'admin:audit'),
  listRoute('/hourly-counts', hourlyCounts),
];

/** @returns all routes: those of administration first, then those of other features. */
export const adminRoutesOf = (features: readonly PagesFeature[]): Route[] => [
  ...ROUTES,
  ...features.flatMap(({ administration }) => administration?.routes ?? []).filter((route) => !ROUTES.includes(route)),
];

/** The query parameters of every list, besides its filters. */
export const PAGING = z.strictObject({
  limit: z
    .string()
    .regex(/^(100|[1-9]\d?)$/, 'must be a whole number from 1 to 100')
    .transform(Number)
    .optional(),
  cursor: z.string().min(1).max(4_000).optional(),
});

/** @returns the routes of a path and the id it names. Each segment is decoded by itself, because an id may contain a slash. */
export function routesAt(all: readonly Route[], path: string): { routes: Route[]; target: string } | undefined {
  const segments = path.split('/').map(decoded);
  if (segments.includes(undefined)) return undefined;
  const routes = all.filter((route) => fits(route.path, segments as string[]));
  if (!routes.length) return undefined;
  return { routes, target: (routes[0] as Route).path.includes('{id}') ? (segments[2] as string) : '' };
}

function fits(pattern: string, segments: string[]): boolean {
  const parts = pattern.split('/');
  return parts.length === segments.length && parts.every((part, n) => (part === '{id}' ? segments[n] !== '' : part === segments[n]));
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
