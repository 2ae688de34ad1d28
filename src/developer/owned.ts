import { named, type Visit } from '../authorization-server/own-pages/own-pages.ts';
import type { ClientRecord } from '../clients/inspection.ts';
import { findOwnedClient } from '../clients/ownership.ts';
import { AppError } from '../platform/errors.ts';

/** The path of a client's page in the portal, whatever its id is. */
export const pathOf = (clientId: string, page = ''): string => `/developer/clients/${encodeURIComponent(clientId)}${page}`;

/** The client that a page's address names. @throws AppError 404, for another owner's as for one that there is not. */
export async function ownClient(visit: Visit): Promise<ClientRecord> {
  const client = await findOwnedClient(visit.services.database, visit.account.id, named(visit, 'client'));
  if (!client) throw new AppError('not_found', { status: 404, reason: 'no client of theirs' });
  return client;
}
