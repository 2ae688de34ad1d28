import { z } from 'zod';
import type { AdminScope } from '../../../oauth/scopes/admin-scopes.ts';
import type { Database } from '../../../platform/database.ts';
import { type ActName, actNamed } from '../acts/table.ts';
import { clientDetails, findClientDetails } from '../lists/clients.ts';
import { findPerson, person } from '../lists/people.ts';
import { type ListName, listNamed } from '../lists/table.ts';

/** Every address of the admin API, below /admin/api/v1: what answers there, and by which scope. The API's document is made of it too. */

export type Method = 'GET' | 'POST' | 'DELETE';

export type Route = { method: Method; path: string; scope: AdminScope; summary: string; name: string } & (
  | { kind: 'list'; list: ListName }
  | { kind: 'one'; shape: z.ZodType; find(database: Database, id: string): Promise<unknown> }
  | { kind: 'act'; act: ActName }
);

const list = (path: string, name: ListName, scope: AdminScope = 'admin:read'): Route => {
  return { method: 'GET', path, scope, summary: listNamed(name).summary, name: `list_${listNamed(name).name}`, kind: 'list', list: name };
};

const act = (method: Method, path: string, name: ActName): Route => {
  const { scope, summary } = actNamed(name);
  return { method, path, scope, summary, name: name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), kind: 'act', act: name };
};

const READ = { method: 'GET', scope: 'admin:read', kind: 'one' } as const;

export const ROUTES: Route[] = [
  list('/people', 'people'),
  act('POST', '/people', 'createPerson'),
  { ...READ, path: '/people/{id}', name: 'get_person', summary: 'One person', shape: person, find: findPerson },
  act('POST', '/people/{id}/disable', 'disablePerson'),
  act('POST', '/people/{id}/enable', 'enablePerson'),
  act('POST', '/people/{id}/end-sessions', 'endSessionsOfPerson'),
  act('POST', '/people/{id}/remove-factors', 'removeFactorsOfPerson'),
  act('POST', '/people/{id}/end-access', 'endAccessOfPerson'),
  act('POST', '/people/{id}/change-role', 'changeRole'),
  list('/sessions', 'sessions'),
  act('DELETE', '/sessions/{id}', 'endSession'),
  list('/clients', 'clients'),
  {
    ...READ,
    path: '/clients/{id}',
    name: 'get_client',
    summary: 'One client, with what it says of itself',
    shape: clientDetails,
    find: findClientDetails,
  },
  act('DELETE', '/clients/{id}', 'deleteClient'),
  act('POST', '/clients/{id}/verify', 'verifyClient'),
  act('POST', '/clients/{id}/unverify', 'unverifyClient'),
  act('POST', '/clients/{id}/suspend', 'suspendClient'),
  act('POST', '/clients/{id}/restore', 'restoreClient'),
  act('POST', '/clients/{id}/end-access', 'endAccessOfClient'),
  act('POST', '/clients/{id}/require-pkce', 'requirePkce'),
  act('POST', '/clients/{id}/waive-pkce', 'waivePkce'),
  act('POST', '/clients/{id}/allow-services', 'allowServices'),
  act('POST', '/clients/{id}/allow-admin-scopes', 'allowAdminScopes'),
  act('POST', '/clients/{id}/add-owner', 'addClientOwner'),
  act('POST', '/clients/{id}/remove-owner', 'removeClientOwner'),
  list('/client-secrets', 'clientSecrets'),
  act('DELETE', '/client-secrets/{id}', 'endClientSecret'),
  list('/grants', 'grants'),
  act('DELETE', '/grants/{id}', 'endGrant'),
  list('/tokens', 'tokens'),
  act('DELETE', '/tokens/{id}', 'endToken'),
  list('/keys', 'keys'),
  act('POST', '/keys/rotate', 'rotateKeys'),
  act('POST', '/keys/replace', 'replaceKeys'),
  act('POST', '/keys/use', 'useKeys'),
  list('/initial-access-tokens', 'initialAccessTokens'),
  act('POST', '/initial-access-tokens', 'createInitialAccessToken'),
  act('DELETE', '/initial-access-tokens/{id}', 'endInitialAccessToken'),
  list('/resource-servers', 'resourceServers'),
  act('DELETE', '/resource-servers/{id}', 'deleteDevelopersResourceServer'),
  list('/audit-events', 'auditEvents', 'admin:audit'),
  list('/hourly-counts', 'hourlyCounts'),
];

/** What the query of a list says beside its filters. */
export const PAGING = z.strictObject({
  limit: z
    .string()
    .regex(/^(100|[1-9]\d?)$/, 'must be a whole number from 1 to 100')
    .transform(Number)
    .optional(),
  cursor: z.string().min(1).max(4_000).optional(),
});

/** The routes of an address, and what it names. Segments are decoded one by one: an id may have a slash in it. */
export function routesAt(path: string): { routes: Route[]; target: string } | undefined {
  const segments = path.split('/').map(decoded);
  if (segments.includes(undefined)) return undefined;
  const routes = ROUTES.filter((route) => fits(route.path, segments as string[]));
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
