import { displayName } from '../../oauth/clients/display-name.ts';
import { type ClientRecord, findClientRecord } from '../../oauth/clients/inspection.ts';
import { type Database, isStorable, Prisma } from '../../platform/database.ts';
import { AppError } from '../../platform/errors.ts';
import { named, type Visit } from '../own-pages.ts';
import type { ActPage, Question } from './acting.ts';
import { pathOfClient, pathOfPerson } from './paths.ts';

/** Owns the look-up of what an administration URL names, and the display names of users and clients in lists. */

export type Person = NonNullable<Awaited<ReturnType<typeof findPersonRecord>>>;

/** @throws AppError 404 for an unknown account. */
export async function personOf(visit: Visit): Promise<Person> {
  const found = await findPersonRecord(visit.app.database, named(visit, 'account'));
  if (!found) throw new AppError('not_found', { status: 404, reason: 'no such account' });
  return found;
}

async function findPersonRecord(database: Database, id: string) {
  if (!isStorable(id)) return null;
  const counts = { passkeys: true, recoveryCodes: { where: { usedAt: null } } };
  return database.prisma.user.findUnique({ where: { id }, include: { totp: true, _count: { select: counts } } });
}

/** @throws AppError 404 for an unknown client. */
export async function clientOf(visit: Visit): Promise<ClientRecord & { name: string }> {
  const found = await findClientRecord(visit.app.database, named(visit, 'client'));
  if (!found) throw new AppError('not_found', { status: 404, reason: 'no such client' });
  return { ...found, name: displayName(String(found.metadata['client_name'] ?? ''), found.id) };
}

export type Named = { path: string; name: string };

export type NamedClient = Awaited<ReturnType<typeof clientOf>>;

/** An act on a client, with a page below the client's. */
export type ClientAct = Omit<ActPage, 'ask'> & {
  path: string;
  /** Whether the act applies to a client. */
  fits?: (client: NamedClient) => boolean;
  question?: (visit: Visit, client: NamedClient) => Promise<Partial<Question>>;
};

/** @returns the names of users and clients with links to their pages. A deleted one is shown by its id. */
export async function namesOf(
  database: Database,
  { people, clients }: { people: (string | null)[]; clients: (string | null)[] },
): Promise<{ person(id: string | null): Named | undefined; client(id: string | null): Named | undefined }> {
  const given = (ids: (string | null)[]) => [...new Set(ids.filter((id) => id !== null))];
  const [accounts, apps] = await Promise.all([
    database.query<{ id: string; email: string }>(Prisma.sql`select id, email from user_account where id = any(${given(people)})`),
    database.query<{ id: string; name: string | null }>(
      Prisma.sql`select id, metadata->>'client_name' as name from client where id = any(${given(clients)})`,
    ),
  ]);
  const emails = new Map(accounts.map(({ id, email }) => [id, email]));
  const names = new Map(apps.map(({ id, name }) => [id, displayName(name ?? undefined, id)]));
  return {
    person: (id) => (id === null ? undefined : { path: pathOfPerson(id), name: emails.get(id) ?? id }),
    client: (id) => (id === null ? undefined : { path: pathOfClient(id), name: names.get(id) ?? id }),
  };
}
