import { SELF_SERVICE_GRANTS } from '../../../oauth/clients/metadata/registration-limits.ts';
import { findResourceServerById } from '../../../oauth/scopes/resource-server-removal.ts';
import { findGrant } from '../../../oauth/store/grants.ts';
import { findByHandle } from '../../../oauth/store/token-handles.ts';
import { named, type OwnPage, show, type Visit } from '../../../pages/own-pages.ts';
import { HOUR } from '../../../platform/clock.ts';
import { type Database, isStorable, Prisma } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import { actPage, goBack, listed } from './acting.ts';
import { namesOf } from './named.ts';

/** Owns the pages on which operators end grants and tokens, remove APIs, rotate keys, and say who may register. */

const nothingThere = (reason: string) => new AppError('not_found', { status: 404, reason });

/** Who allowed whom, in one line. */
async function between({ services: { database } }: Visit, clientId: string, accountId: string | null): Promise<string> {
  const names = await namesOf(database, { people: [accountId], clients: [clientId] });
  return [names.client(clientId)?.name, names.person(accountId)?.name].filter(Boolean).join(' · ');
}

const endGrant = actPage({
  act: 'endGrant',
  words: 'end_grant',
  grave: true,
  async ask(visit) {
    const id = named(visit, 'grant');
    const grant = await findGrant(visit.services.database, id);
    if (!grant) throw nothingThere('no such grant');
    return { target: id, name: await between(visit, grant.client_id, grant.account_id), back: '/admin/access' };
  },
});

const endToken = actPage({
  act: 'endToken',
  words: 'end_token',
  grave: true,
  async ask(visit) {
    const handle = named(visit, 'handle');
    const [token] = await findByHandle(visit.services.database, handle);
    if (!token) throw nothingThere('no such token');
    return { target: handle, name: await between(visit, token.client_id, token.account_id), back: '/admin/tokens' };
  },
});

const deleteApi = actPage({
  act: 'deleteDevelopersResourceServer',
  words: 'delete_api',
  grave: true,
  async ask(visit) {
    const id = named(visit, 'api');
    const server = isStorable(id) ? await findResourceServerById(visit.services.database, id) : undefined;
    if (!server) throw nothingThere('no such API');
    return { target: id, name: server.identifier, back: '/admin/apis', typed: server.identifier };
  },
});

const rotateKeys = actPage({
  act: 'rotateKeys',
  words: 'rotate_keys',
  ask: async () => ({ target: '', back: '/admin/keys' }),
  tell: (visit, { keys }: { keys: { made: boolean }[] }) =>
    keys.some(({ made }) => made) ? goBack(visit, '/admin/keys') : 'admin.problem.rotating',
});

// Typed, since it refuses every token that is about: nobody does that by a slip.
const replaceKeys = actPage({
  act: 'replaceKeys',
  words: 'replace_keys',
  grave: true,
  ask: async ({ services: { config } }) => ({ target: '', back: '/admin/keys', typed: new URL(config.issuer).host }),
});

const MADE = '/admin/registration';

const newToken = actPage({
  act: 'createInitialAccessToken',
  words: 'create_token',
  ask: async () => ({
    target: '',
    back: MADE,
    fields: [
      { name: 'name', label: 'admin.registration.name', hint: 'admin.registration.name_hint', kind: 'text' },
      { name: 'clients', label: 'admin.registration.clients', kind: 'number', value: '1' },
      { name: 'hours', label: 'admin.registration.hours', kind: 'number', value: '24' },
      {
        name: 'grant_types',
        label: 'admin.registration.grant_types',
        kind: 'checks',
        value: [],
        options: SELF_SERVICE_GRANTS.map((value) => ({ value, label: value })),
      },
      { name: 'scopes', label: 'admin.registration.scopes', hint: 'admin.registration.scopes_hint', kind: 'lines' },
    ],
    input: (form) => ({
      name: form.get('name') ?? '',
      max_clients: Number(form.get('clients')),
      expires_in_seconds: Math.round(Number(form.get('hours')) * HOUR),
      grant_types: form.getAll('grant_types'),
      scopes: listed(form.get('scopes')),
    }),
  }),
  // The one page that ever shows it.
  tell(visit, { token, expires_at }: { token: string; expires_at: string }) {
    show(visit, 'admin/token-made', { token, until: new Date(expires_at) });
    return undefined;
  },
});

const endInitialToken = actPage({
  act: 'endInitialAccessToken',
  words: 'end_initial_token',
  grave: true,
  async ask(visit) {
    const id = named(visit, 'token');
    const name = await nameOfToken(visit.services.database, id);
    if (name === undefined) throw nothingThere('no such initial access token');
    return { target: id, name, back: MADE };
  },
  tell: (visit) => goBack(visit, MADE),
});

async function nameOfToken(database: Database, id: string): Promise<string | undefined> {
  if (!isStorable(id)) return undefined;
  const [row] = await database.query<{ name: string }>(
    Prisma.sql`select name from initial_access_token where id = ${id} and expires_at > now()`,
  );
  return row?.name;
}

export const OTHER_ACT_PAGES: Record<string, OwnPage> = {
  '/admin/access/:grant/end': endGrant,
  '/admin/tokens/:handle/end': endToken,
  '/admin/apis/:api/delete': deleteApi,
  '/admin/keys/rotate': rotateKeys,
  '/admin/keys/replace': replaceKeys,
  '/admin/registration/new': newToken,
  '/admin/registration/:token/end': endInitialToken,
};
