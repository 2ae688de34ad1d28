import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { profileOf } from '../../../oauth/clients/client-profile.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { type PkceReason, pkceByNature, pkceReason } from '../../../oauth/requests/pkce-policy.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { Prisma } from '../../../platform/database.ts';
import { kindOf } from '../clients/kind.ts';
import { pathOf } from '../clients/owned.ts';
import { pkceUseOf } from './pkce-use.ts';

/**
 * Owns what the portal says about a client's PKCE, and the button that requires it. oauth/requests/pkce-policy.ts decides which clients
 * must use PKCE.
 */

export type PkceFacts = {
  /** Why the client must use PKCE; undefined if it may omit it. */
  reason: PkceReason | undefined;
  /** Whether a request may omit PKCE only with openid and a nonce (PKCE=nonce). */
  withNonce: boolean;
  /** Whether the owner can choose, because the kind of client does not already require PKCE. */
  choosable: boolean;
  /** Whether the latest codes were bound by PKCE; undefined if nothing is recorded, or PKCE is required. */
  use: 'bound' | 'unbound' | undefined;
};

export const mayChoosePkce = (client: ClientRecord): boolean => kindOf(client).takesCodes && !pkceByNature(profileOf(client.metadata));

/** @returns undefined for a client that gets no codes. */
export async function pkceFacts({ app }: Visit, client: ClientRecord): Promise<PkceFacts | undefined> {
  if (!kindOf(client).takesCodes) return undefined;
  const { database, config } = app;
  const reason = pkceReason(profileOf(client.metadata), config.pkce);
  const use = reason ? undefined : await pkceUseOf(database, client.id);
  return { reason, withNonce: config.pkce === 'nonce', choosable: mayChoosePkce(client), use };
}

/** Handles the button. A second press changes nothing and leads to the same page. A verified client stays verified. */
export async function requirePkce(visit: Visit, { id }: ClientRecord): Promise<void> {
  const { database } = visit.app;
  await limitRate(database, LIMITS.clientChanges, visit.account.id);
  const statement = Prisma.sql`
    update client set metadata = metadata || '{"require_pkce": true}', updated_at = now()
    where id = ${id} and suspended_at is null and metadata->'require_pkce' is distinct from 'true'`;
  const changed = await writeTogether(database, [
    { purpose: 'keep', once: true, statement },
    { purpose: 'keep', statement: recordOwnEvent(visit, 'client_changed', { clientId: id, detail: { changes: ['require_pkce'] } }) },
  ]);
  backTo(visit, pathOf(id), changed);
}
