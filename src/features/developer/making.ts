import { LIMITS, limitRate } from '../../http/rate-limit.ts';
import { secretsMadeBy } from '../../oauth/clients/live-secrets.ts';
import { judgePortalClient } from '../../oauth/clients/metadata/client-judgement.ts';
import { addOwnerOfNew, listOwnedClients, lockOwner, MAX_OWNED_CLIENTS } from '../../oauth/clients/ownership.ts';
import { type ClientMetadata, saveClient } from '../../oauth/clients/store.ts';
import { type Write, writeTogether } from '../../oauth/store/unit-of-work.ts';
import { told, type Visit } from '../../pages/own-pages.ts';
import { randomSecret } from '../../platform/secrets.ts';
import { type Problem, problemsOf } from './client-form.ts';
import { needsSecret } from './client-manifest.ts';
import { showClient } from './client-page.ts';
import { creationOf, leadToMade, onlyOnce } from './one-creation.ts';
import { pathOf } from './owned.ts';
import { type ShownSecret, showSecret } from './shown-secret.ts';

/** The making of a client, by the portal's questions, of a manifest, or for an API that needs one: one way, whatever it is made of. */

export type MadeClient = { metadata: ClientMetadata } & Partial<ShownSecret>;

/** `answered`: the form had made its client before, and the answer leads there. */
export type Made = { made: MadeClient } | { problems: Problem[] } | { answered: true };

/**
 * @param form that is good for one client, see one-creation.ts.
 * @param members what it says of itself. @param along what is to be written with it, for the client of this id.
 */
export async function makeClient(
  visit: Visit,
  form: URLSearchParams,
  members: Record<string, unknown>,
  along: (clientId: string) => Omit<Write, 'subject'>[] = () => [],
): Promise<Made> {
  const { account, services } = visit;
  const id = creationOf(visit, form);
  if (!id) return { problems: [{ field: 'client_name', key: 'developer.form_old' }] };
  const secret = needsSecret(members) ? randomSecret() : undefined;
  const metadata = { ...members, client_id: id, ...(secret && { client_secret: secret }) };
  const judged = judgePortalClient(services.provider, metadata);
  if (!judged.ok) return { problems: problemsOf(metadata, judged.refusal, visit.services) };
  await limitRate(services.database, LIMITS.clientsOfAccount, account.id);
  const written = await writeTogether(services.database, [
    // Of any number at once each sees those before it.
    { purpose: 'keep', apart: true, statement: lockOwner(account.id) },
    onlyOnce(id),
    ...saveClient(judged.metadata).map((statement) => ({ purpose: 'keep' as const, statement })),
    { purpose: 'keep', once: true, statement: addOwnerOfNew(id, account.id) },
    { purpose: 'keep', statement: secretsMadeBy(id, account.id) },
    ...along(id),
    { purpose: 'keep', statement: told(visit, 'client_made', { clientId: id }) },
  ]);
  if (!written) return (await leadToMade(visit, id)) ? { answered: true } : { problems: [await whyNone(visit)] };
  return { made: { metadata: judged.metadata, ...(secret && showSecret(visit, id, secret)) } };
}

/** Nothing was made: there are as many as there may be, or the form had made one that is there no more. */
async function whyNone({ account, services }: Visit): Promise<Problem> {
  const owned = await listOwnedClients(services.database, account.id);
  return owned.length >= MAX_OWNED_CLIENTS
    ? { field: 'client_name', key: 'developer.too_many', values: { most: MAX_OWNED_CLIENTS } }
    : { field: 'client_name', key: 'developer.form_old' };
}

/** The answer itself has the secret: it is in no address, and nothing keeps it for a next page. */
export function showMade(visit: Visit, { metadata, ...shown }: MadeClient): void {
  const { client_id: id } = metadata;
  showClient(visit, { id, metadata }, 'client-made', { at: pathOf(id), ...shown });
}
