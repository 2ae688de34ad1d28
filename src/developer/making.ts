import { randomBytes } from 'node:crypto';
import { judgeManifest, type Members, needsSecret } from '../authorization-server/client-manifest.ts';
import { told, type Visit } from '../authorization-server/own-pages.ts';
import { addOwnerOfNew, lockOwner } from '../clients/ownership.ts';
import { saveClient } from '../clients/store.ts';
import { LIMITS, limitRate } from '../http/rate-limit.ts';
import { randomSecret } from '../platform/secrets.ts';
import type { Write } from '../protocol-store/unit-of-work.ts';
import { writeTogether } from '../protocol-store/unit-of-work.ts';

/** The making of a client from what is said of it elsewhere than in the portal's questions: a manifest, an API that needs one. */

export type Made = { clientId: string; secret?: string } | { problem: string } | { tooMany: true };

/** @param along what is to be written with it, for the client of this id. */
export async function makeClient(
  visit: Visit,
  members: Members,
  along: (clientId: string) => Omit<Write, 'subject'>[] = () => [],
): Promise<Made> {
  const { account, services } = visit;
  await limitRate(services.database, LIMITS.clientsOfAccount, account.id);
  const clientId = randomBytes(16).toString('base64url');
  const secret = needsSecret(members) ? randomSecret() : undefined;
  const judged = judgeManifest(services.provider, members, { client_id: clientId, ...(secret && { client_secret: secret }) });
  if ('problem' in judged) return judged;
  const made = await writeTogether(services.database, [
    { purpose: 'keep', apart: true, statement: lockOwner(account.id) },
    ...saveClient(judged.metadata).map((statement) => ({ purpose: 'keep' as const, statement })),
    { purpose: 'keep', once: true, statement: addOwnerOfNew(clientId, account.id) },
    ...along(clientId),
    { purpose: 'keep', statement: told(visit, 'client_made', { clientId }) },
  ]);
  return made ? { clientId, ...(secret && { secret }) } : { tooMany: true };
}
