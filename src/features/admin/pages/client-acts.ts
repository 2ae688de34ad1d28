import { profileOf } from '../../../oauth/clients/client-profile.ts';
import { pkceByNature } from '../../../oauth/requests/pkce-policy.ts';
import { ADMIN_SCOPES, readAdminScopes } from '../../../oauth/scopes/admin-scopes.ts';
import { countPeople } from '../../../oauth/store/grants.ts';
import { countTokens } from '../../../oauth/store/token-handles.ts';
import type { OwnPage, Visit } from '../../../pages/own-pages.ts';
import { listProviders } from '../../federation/providers.ts';
import { pathOfClient } from '../paths.ts';
import { type ActPage, actPage, goBack, listed, type Question } from './acting.ts';
import { clientOf } from './named.ts';

/** Owns the pages on which operators do something to a client. */

type Client = Awaited<ReturnType<typeof clientOf>>;

type ClientAct = Omit<ActPage, 'ask'> & {
  path: string;
  /** For which clients it makes sense. */
  fits?: (client: Client) => boolean;
  question?: (visit: Visit, client: Client) => Promise<Partial<Question>>;
};

/** Who loses what, before it is decided. */
async function losses({ services: { database } }: Visit, { id }: Client): Promise<NonNullable<Question['facts']>> {
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
    act: 'verifyClient',
    words: 'verify_client',
    question: async (_visit, { publisher }) => ({
      fields: [
        { name: 'publisher', label: 'admin.client.publisher', hint: 'admin.client.publisher_hint', kind: 'text', value: publisher ?? '' },
      ],
      input: (form) => ({ publisher: form.get('publisher') ?? '' }),
    }),
  },
  { path: '/unverify', act: 'unverifyClient', words: 'unverify_client', grave: true, fits: ({ publisher }) => publisher !== null },
  {
    path: '/suspend',
    act: 'suspendClient',
    words: 'suspend_client',
    grave: true,
    fits: ({ suspended_at }) => suspended_at === null,
    question: async (visit, client) => ({ facts: await losses(visit, client) }),
  },
  { path: '/restore', act: 'restoreClient', words: 'restore_client', fits: ({ suspended_at }) => suspended_at !== null },
  {
    path: '/end-access',
    act: 'endAccessOfClient',
    words: 'end_access_of_client',
    grave: true,
    question: async (visit, client) => ({ facts: await losses(visit, client) }),
  },
  {
    path: '/require-pkce',
    act: 'requirePkce',
    words: 'require_pkce',
    fits: ({ metadata }) => metadata['require_pkce'] !== true && !pkceByNature(profileOf(metadata)),
  },
  {
    path: '/waive-pkce',
    act: 'waivePkce',
    words: 'waive_pkce',
    grave: true,
    fits: ({ metadata }) => metadata['require_pkce'] === true && !pkceByNature(profileOf(metadata)),
  },
  {
    path: '/services',
    act: 'allowServices',
    words: 'allow_services',
    question: async ({ services: { database } }, { services, origins }) => ({
      fields: [
        {
          name: 'services',
          label: 'admin.client.services',
          kind: 'checks',
          value: services,
          options: (await listProviders(database)).map(({ id, name }) => ({ value: id, label: name })),
        },
        { name: 'origins', label: 'admin.client.origins', hint: 'admin.client.origins_hint', kind: 'lines', value: origins.join('\n') },
      ],
      input: (form) => ({ services: form.getAll('services'), origins: listed(form.get('origins')) }),
    }),
  },
  {
    path: '/admin-scopes',
    act: 'allowAdminScopes',
    words: 'allow_admin_scopes',
    question: async ({ services: { database } }, { id }) => ({
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
    act: 'deleteClient',
    words: 'delete_client',
    grave: true,
    question: async (visit, client) => ({ facts: await losses(visit, client), typed: client.id }),
    tell: (visit) => goBack(visit, '/admin/clients'),
  },
];

export const CLIENT_ACT_PAGES: Record<string, OwnPage> = Object.fromEntries(
  CLIENT_ACTS.map(({ path, question, fits: _, ...page }) => [
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
