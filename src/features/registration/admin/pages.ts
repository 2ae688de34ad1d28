import { SELF_SERVICE_GRANTS } from '../../../oauth/clients/metadata/registration-limits.ts';
import { actPage, goBack, listed } from '../../../pages/operators/acting.ts';
import { listPage } from '../../../pages/operators/listing.ts';
import { named, type OwnPage, show } from '../../../pages/own-pages.ts';
import { mayDo } from '../../../pages/permissions.ts';
import { HOUR } from '../../../platform/clock.ts';
import { type Database, isStorable, Prisma } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import { createInitialAccessToken, endInitialAccessToken } from './acts.ts';
import { type InitialAccessTokenRow, initialAccessTokens } from './lists.ts';

/** Owns the pages on which operators create and end initial access tokens. */

const nothingThere = (reason: string) => new AppError('not_found', { status: 404, reason });

const MADE = '/admin/registration';

const newToken = actPage({
  act: createInitialAccessToken,
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
  // Only this page shows the token.
  tell(visit, { token, expires_at }: { token: string; expires_at: string }) {
    show(visit, 'admin/token-made', { token, until: new Date(expires_at) });
    return undefined;
  },
});

const endInitialToken = actPage({
  act: endInitialAccessToken,
  words: 'end_initial_token',
  grave: true,
  async ask(visit) {
    const id = named(visit, 'token');
    const name = await nameOfToken(visit.app.database, id);
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

const registration = listPage({
  list: initialAccessTokens,
  view: 'admin/registration',
  filters: [],
  more: (visit) => ({ may: mayDo(visit.account.role, 'admin:clients'), mode: visit.app.config.registration }),
  rows: async (_visit, rows: InitialAccessTokenRow[]) =>
    rows.map((row) => ({ ...row, end: `/admin/registration/${encodeURIComponent(row.id)}/end` })),
});

export const REGISTRATION_PAGES: Record<string, OwnPage> = {
  '/admin/registration': registration,
  '/admin/registration/new': newToken,
  '/admin/registration/:token/end': endInitialToken,
};
