import { LIMITS, limitRate } from '../../http/rate-limit.ts';
import { profileOf } from '../../oauth/clients/client-profile.ts';
import type { ClientRecord } from '../../oauth/clients/inspection.ts';
import { type PkceReason, pkceByNature, pkceReason } from '../../oauth/requests/pkce-policy.ts';
import { pkceUseOf } from '../../oauth/store/pkce-use.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { backTo, told, type Visit } from '../../pages/own-pages.ts';
import { Prisma } from '../../platform/database.ts';
import { kindOf } from './client-kind.ts';
import { pathOf } from './owned.ts';

/** Owns what the portal says of an app's PKCE, and its button that requires it. Which apps must use PKCE, oauth/requests/pkce-policy.ts decides. */

export type PkceFacts = {
  /** Why the app must use PKCE; undefined for one that may leave it out. */
  reason: PkceReason | undefined;
  /** Whether a request of an app that may leave it out needs openid and a nonce for that (PKCE=nonce). */
  withNonce: boolean;
  /** Whether its owner decides: what the app is does not decide it already. */
  choosable: boolean;
  /** What its latest codes were; undefined where nothing is recorded, or it must use PKCE. */
  use: 'bound' | 'unbound' | undefined;
};

export const mayChoosePkce = (client: ClientRecord): boolean => kindOf(client).takesCodes && !pkceByNature(profileOf(client.metadata));

/** @returns undefined for an app that gets no codes. */
export async function pkceFacts({ services }: Visit, client: ClientRecord): Promise<PkceFacts | undefined> {
  if (!kindOf(client).takesCodes) return undefined;
  const { database, config } = services;
  const reason = pkceReason(profileOf(client.metadata), config.pkce);
  const use = reason ? undefined : await pkceUseOf(database, client.id);
  return { reason, withNonce: config.pkce === 'nonce', choosable: mayChoosePkce(client), use };
}

/** Answers the button. A second press changes nothing and leads to the same page. An app that an operator verified stays verified. */
export async function requirePkce(visit: Visit, { id }: ClientRecord): Promise<void> {
  const { database } = visit.services;
  await limitRate(database, LIMITS.clientChanges, visit.account.id);
  const statement = Prisma.sql`
    update client set metadata = metadata || '{"require_pkce": true}', updated_at = now()
    where id = ${id} and suspended_at is null and metadata->'require_pkce' is distinct from 'true'`;
  const changed = await writeTogether(database, [
    { purpose: 'keep', once: true, statement },
    { purpose: 'keep', statement: told(visit, 'client_changed', { clientId: id, detail: { changes: ['require_pkce'] } }) },
  ]);
  backTo(visit, pathOf(id), changed);
}
