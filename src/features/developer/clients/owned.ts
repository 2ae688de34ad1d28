import { displayName } from '../../../oauth/clients/display-name.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { logosOf } from '../../../oauth/clients/logos.ts';
import { named, type Visit } from '../../../pages/own-pages.ts';
import { AppError } from '../../../platform/errors.ts';
import { findOwnedClient } from './owned-clients.ts';

/** @returns the path of a client's page in the portal; the id may contain any character. */
export const pathOf = (clientId: string, page = ''): string => `/developer/clients/${encodeURIComponent(clientId)}${page}`;

/** @returns the client's name for a mail to its owner. */
export const nameOf = ({ id, metadata }: Pick<ClientRecord, 'id' | 'metadata'>): string =>
  displayName(metadata['client_name'] as string | undefined, id);

/** `logo` is the path of the logo that users see, if there is one. */
export type OwnClient = ClientRecord & { logo: string | undefined };

/** @returns the client that the page's address names. @throws AppError 404, alike for another owner's client and an unknown one. */
export async function ownClient(visit: Visit): Promise<OwnClient> {
  const { database } = visit.app;
  const client = await findOwnedClient(database, visit.account.id, named(visit, 'client'));
  if (!client) throw new AppError('not_found', { status: 404, reason: 'no client of theirs' });
  return { ...client, logo: (await logosOf(database, [client.id])).get(client.id) };
}
