import { profileOf } from '../../../oauth/clients/client-profile.ts';
import { pkceByNature } from '../../../oauth/requests/pkce-policy.ts';
import { ADMIN_SCOPES } from '../../../oauth/scopes/admin-scopes.ts';
import { countPeople } from '../../../oauth/store/grants.ts';
import { actPage, goBack, type Question } from '../../../pages/operators/acting.ts';
import { type ClientAct, clientOf, type NamedClient } from '../../../pages/operators/named.ts';
import { pathOfClient } from '../../../pages/operators/paths.ts';
import type { OwnPage, Visit } from '../../../pages/own-pages.ts';
import * as accessActs from '../acts/access.ts';
import * as clientActs from '../acts/clients.ts';
import { readAdminScopes } from '../client-scopes.ts';
import { countTokens } from '../token-handles.ts';

/** Owns the pages of the operators' acts on a client. */

/** @returns what users lose by the act, shown before the operator confirms. */
async function losses({ app: { database } }: Visit, { id }: NamedClient): Promise<NonNullable<Question['facts']>> {
  const [people, tokens] = await Promise.all([countPeople(database, id), countTokens(database, id)]);
  return [
    { label: 'admin.client.people_lose', values: { count: people } },
    { label: 'admin.client.tokens_end', values: { count: tokens } },
    { label: 'admin.client.jwt_note', values: {} },
  ];
}

export const CLIENT_ACTS: ClientAct[] = [
  {
    path: '/verify',
    act: clientActs.verifyClient,
    words: 'verify_client',
    question: async (_visit, { publisher }) => ({
      fields: [
        { name: 'publisher', label: 'admin.client.publisher', hint: 'admin.client.publisher_hint', kind: 'text', value: publisher ?? '' },
      ],
      input: (form) => ({ publisher: form.get('publisher') ?? '' }),
    }),
  },
  { path: '/unverify', act: clientActs.unverifyClient, words: 'unverify_client', grave: true, fits: ({ publisher }) => publisher !== null },
  {
    path: '/suspend',
    act: clientActs.suspendClient,
    words: 'suspend_client',
    grave: true,
    fits: ({ suspended_at }) => suspended_at === null,
    question: async (visit, client) => ({ facts: await losses(visit, client) }),
  },
  { path: '/restore', act: clientActs.restoreClient, words: 'restore_client', fits: ({ suspended_at }) => suspended_at !== null },
  {
    path: '/end-access',
    act: accessActs.endAccessOfClient,
    words: 'end_access_of_client',
    grave: true,
    question: async (visit, client) => ({ facts: await losses(visit, client) }),
  },
  {
    path: '/require-pkce',
    act: clientActs.requirePkce,
    words: 'require_pkce',
    fits: ({ metadata }) => metadata['require_pkce'] !== true && !pkceByNature(profileOf(metadata)),
  },
  {
    path: '/waive-pkce',
    act: clientActs.waivePkce,
    words: 'waive_pkce',
    grave: true,
    fits: ({ metadata }) => metadata['require_pkce'] === true && !pkceByNature(profileOf(metadata)),
  },
  {
    path: '/admin-scopes',
    act: clientActs.allowAdminScopes,
    words: 'allow_admin_scopes',
    question: async ({ app: { database } }, { id }) => ({
      fields: [
        {
          name: 'scopes',
          label: 'admin.client.admin_scopes',
          kind: 'checks',
          value: (await readAdminScopes(database, id)) ?? [],
          options: ADMIN_SCOPES.map((scope) => ({ value: scope, label: scope })),
        },
      ],
      input: (form) => ({ scopes: form.getAll('scopes') }),
    }),
  },
  {
    path: '/delete',
    act: clientActs.deleteClient,
    words: 'delete_client',
    grave: true,
    question: async (visit, client) => ({ facts: await losses(visit, client), typed: client.id }),
    tell: (visit) => goBack(visit, '/admin/clients'),
  },
];

/** @returns the pages of all acts on a client, those of features included. */
export const clientActPages = (acts: readonly ClientAct[]): Record<string, OwnPage> =>
  Object.fromEntries(
    acts.map(({ path, question, fits: _, ...page }) => [
      `/admin/clients/:client${path}`,
      actPage({
        ...page,
        async ask(visit) {
          const client = await clientOf(visit);
          const name = client.name === client.id ? client.id : `${client.name} · ${client.id}`;
          return { target: client.id, name, back: pathOfClient(client.id), ...(await question?.(visit, client)) };
        },
      }),
    ]),
  );
