import { displayName } from '../../oauth/clients/display-name.ts';
import type { ClientRecord } from '../../oauth/clients/inspection.ts';
import { logosOf } from '../../oauth/clients/logo/store.ts';
import { findOwnedClient } from '../../oauth/clients/ownership.ts';
import { named, type Visit } from '../../pages/own-pages.ts';
import { AppError } from '../../platform/errors.ts';

/** The path of a client's page in the portal, whatever its id is. */
export const pathOf = (clientId: string, page = ''): string => `/developer/clients/${encodeURIComponent(clientId)}${page}`;

/** What a client is called in a letter to its owner. */
export const nameOf = ({ id, metadata }: Pick<ClientRecord, 'id' | 'metadata'>): string =>
  displayName(metadata['client_name'] as string | undefined, id);

/** `logo` is the path of its logo, where people are shown one. */
export type OwnClient = ClientRecord & { logo: string | undefined };

/** The client that a page's address names. @throws AppError 404, for another owner's as for one that there is not. */
export async function ownClient(visit: Visit): Promise<OwnClient> {
  const { database } = visit.services;
  const client = await findOwnedClient(database, visit.account.id, named(visit, 'client'));
  if (!client) throw new AppError('not_found', { status: 404, reason: 'no client of theirs' });
  return { ...client, logo: (await logosOf(database, [client.id])).get(client.id) };
}
