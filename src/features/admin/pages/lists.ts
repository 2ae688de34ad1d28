import { displayName } from '../../../oauth/clients/display-name.ts';
import type { AdminScope } from '../../../oauth/scopes/admin-scopes.ts';
import { type Filter, listPage } from '../../../pages/operators/listing.ts';
import { namesOf } from '../../../pages/operators/named.ts';
import { pathOfClient, pathOfPerson } from '../../../pages/operators/paths.ts';
import type { Visit } from '../../../pages/own-pages.ts';
import { mayDo } from '../../../pages/permissions.ts';
import type { Role } from '../../../people/roles.ts';
import { ROLES } from '../../../people/roles.ts';
import type { GrantRow, TokenRow } from '../lists/access.ts';
import * as accessLists from '../lists/access.ts';
import type { ClientRow } from '../lists/clients.ts';
import * as clientLists from '../lists/clients.ts';
import type { KeyRow } from '../lists/keys.ts';
import * as keyLists from '../lists/keys.ts';
import type { PersonRow } from '../lists/people.ts';
import * as peopleLists from '../lists/people.ts';
import type { ResourceServerRow } from '../lists/resource-servers.ts';
import * as resourceServerLists from '../lists/resource-servers.ts';

/** Owns the pages of the lists of users, clients, grants, tokens, APIs and keys. features/admin/lists owns their content. */

const may = (scope: AdminScope) => (visit: Visit) => ({ may: mayDo(visit.account.role, scope) });

const either = (name: string, label: string, yes: string, no: string): Filter => ({
  name,
  label,
  options: [
    { value: 'true', label: yes },
    { value: 'false', label: no },
  ],
});

export const people = listPage({
  list: peopleLists.people,
  view: 'admin/people',
  filters: [
    { name: 'search', label: 'admin.search' },
    { name: 'role', label: 'admin.person.role', options: ROLES.map((role: Role) => ({ value: role, label: `admin.role.${role}` })) },
    either('disabled', 'admin.person.state', 'admin.person.disabled', 'admin.person.enabled'),
  ],
  more: may('admin:people'),
  rows: async (_visit, rows: PersonRow[]) =>
    rows.map((row) => ({ ...row, path: pathOfPerson(row.id), name: displayName(row.name, row.id) })),
});

export const clients = listPage({
  list: clientLists.clients,
  view: 'admin/clients',
  filters: [
    { name: 'search', label: 'admin.search' },
    either('verified', 'admin.client.publisher', 'admin.client.verified', 'admin.client.unverified'),
    either('suspended', 'admin.person.state', 'admin.client.suspended', 'admin.client.running'),
    {
      name: 'registration',
      label: 'admin.client.registration',
      options: [
        { value: 'operator', label: 'admin.client.by_operator' },
        { value: 'dynamic', label: 'admin.client.by_itself' },
      ],
    },
  ],
  rows: async (_visit, rows: ClientRow[]) =>
    rows.map((row) => ({ ...row, path: pathOfClient(row.id), name: displayName(row.name ?? undefined, row.id) })),
});

const HOLDER: Filter[] = [
  { name: 'client', label: 'admin.client_id' },
  { name: 'person', label: 'admin.person.email' },
];

/** Adds the names of the user and of the client, by which an operator recognises them. */
async function withHolders<Row extends { account_id: string | null; client_id: string }>({ app }: Visit, rows: Row[]) {
  const names = await namesOf(app.database, {
    people: rows.map((row) => row.account_id),
    clients: rows.map((row) => row.client_id),
  });
  return rows.map((row) => ({ ...row, person: names.person(row.account_id), client: names.client(row.client_id) }));
}

export const access = listPage({
  list: accessLists.grants,
  view: 'admin/access',
  filters: HOLDER,
  people: { person: 'account' },
  more: may('admin:access'),
  async rows(visit, rows: GrantRow[]) {
    return (await withHolders(visit, rows)).map((row) => ({ ...row, end: `/admin/access/${encodeURIComponent(row.id)}/end` }));
  },
});

export const tokens = listPage({
  list: accessLists.tokens,
  view: 'admin/tokens',
  filters: [...HOLDER, { name: 'handle', label: 'admin.token.handle' }],
  people: { person: 'account' },
  more: may('admin:access'),
  async rows(visit, rows: TokenRow[]) {
    return (await withHolders(visit, rows)).map((row) => ({ ...row, path: pathOfToken(row.handle, '/end') }));
  },
});

export const pathOfToken = (handle: string, act = ''): string => `/admin/tokens/${encodeURIComponent(handle)}${act}`;

export const apis = listPage({
  list: resourceServerLists.resourceServers,
  view: 'admin/apis',
  filters: [either('owned', 'admin.api.owner', 'admin.api.by_developer', 'admin.api.own')],
  more: may('admin:clients'),
  async rows({ app }, rows: ResourceServerRow[]) {
    const names = await namesOf(app.database, {
      people: rows.map((row) => row.owner_id),
      clients: rows.flatMap((row) => row.introspected_by),
    });
    return rows.map((row) => ({
      ...row,
      name: displayName(row.name, row.identifier),
      owner: names.person(row.owner_id),
      introspectedBy: row.introspected_by.map((id) => names.client(id)),
      end: `/admin/apis/${encodeURIComponent(row.id)}/delete`,
    }));
  },
});

export const keys = listPage({
  list: keyLists.keys,
  view: 'admin/keys',
  filters: [],
  more: may('admin:keys'),
  rows: async (_visit, rows: KeyRow[]) => rows.toSorted((one, other) => other.signs_from.getTime() - one.signs_from.getTime()),
});
