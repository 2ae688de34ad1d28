import { z } from 'zod';
import type { AuditEvent } from '../../audit/events.ts';
import { OWN_CLIENTS } from '../../clients/first-party.ts';
import { isClientKnown, lockClient } from '../../clients/store.ts';
import type { Statement } from '../../platform/database.ts';
import { type Doing, done, insist, type Outcome, recorded, refused } from './act.ts';

/** Owns what all acts on a client have in common: it is there, it is none of this server's own, and it is locked. */

export const changedClient = z.object({ id: z.string() });
export type ChangedClient = z.infer<typeof changedClient>;

/** Does something to a client that is there, and tells of it. */
export async function doToClient(
  doing: Doing,
  id: string,
  statements: Statement[],
  event: Omit<AuditEvent, 'actorId' | 'clientId'>,
): Promise<Outcome<ChangedClient>> {
  const { database } = doing;
  if (OWN_CLIENTS.includes(id)) return refused('own_client');
  if (!(await isClientKnown(database, id))) return refused('unknown');
  await database.transaction([insist(lockClient(id)), ...statements, recorded(doing, { ...event, clientId: id })]);
  return done({ id });
}
