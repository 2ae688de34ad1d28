import type { Problem } from '../../../http/problem.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { judgePortalClient } from '../../../oauth/clients/metadata/client-judgement.ts';
import { type ClientMetadata, saveClient } from '../../../oauth/clients/store.ts';
import { type Write, writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { randomSecret } from '../../../platform/secrets.ts';
import { needsSecret } from './client-manifest.ts';
import { problemsOf } from './form.ts';
import { creationOf, leadToMade, onlyOnce } from './one-creation.ts';
import { pathOf } from './owned.ts';
import { addOwnerOfNew, listOwnedClients, lockOwner, MAX_OWNED_CLIENTS } from './owned-clients.ts';
import { showClient } from './page.ts';
import { secretsMadeBy } from './rotation.ts';
import { type ShownSecret, showSecret } from './shown-secret.ts';

/** Owns the creation of a client. The portal's form, a manifest and an API's page all use it. */

export type MadeClient = { metadata: ClientMetadata } & Partial<ShownSecret>;

/** `answered`: the form had already created its client, and the response leads there. */
export type Made = { made: MadeClient } | { problems: Problem[] } | { answered: true };

/**
 * Creates a client.
 * @param form a form that can create one client: see one-creation.ts.
 * @param members the client's metadata. @param along statements to write with it, given the new client's id.
 */
export async function makeClient(
  visit: Visit,
  form: URLSearchParams,
  members: Record<string, unknown>,
  along: (clientId: string) => Omit<Write, 'subject'>[] = () => [],
): Promise<Made> {
  const { account, app } = visit;
  const id = creationOf(visit, form);
  if (!id) return { problems: [{ field: 'client_name', key: 'developer.form_old' }] };
  const secret = needsSecret(members) ? randomSecret() : undefined;
  const metadata = { ...members, client_id: id, ...(secret && { client_secret: secret }) };
  const judged = judgePortalClient(app.provider, metadata);
  if (!judged.ok) return { problems: problemsOf(metadata, judged.problem, visit.app) };
  await limitRate(app.database, LIMITS.clientsOfAccount, account.id);
  const written = await writeTogether(app.database, [
    // The lock makes each of several parallel requests see the earlier ones.
    { purpose: 'keep', apart: true, statement: lockOwner(account.id) },
    onlyOnce(id),
    ...saveClient(judged.metadata).map((statement) => ({ purpose: 'keep' as const, statement })),
    { purpose: 'keep', once: true, statement: addOwnerOfNew(id, account.id) },
    { purpose: 'keep', statement: secretsMadeBy(id, account.id) },
    ...along(id),
    { purpose: 'keep', statement: recordOwnEvent(visit, 'client_made', { clientId: id }) },
  ]);
  if (!written) return (await leadToMade(visit, id)) ? { answered: true } : { problems: [await problemOfNone(visit)] };
  return { made: { metadata: judged.metadata, ...(secret && showSecret(visit, id, secret)) } };
}

/** Nothing was created: the owner has reached the limit, or the form's client has since been deleted. */
async function problemOfNone({ account, app }: Visit): Promise<Problem> {
  const owned = await listOwnedClients(app.database, account.id);
  return owned.length >= MAX_OWNED_CLIENTS
    ? { field: 'client_name', key: 'developer.too_many', values: { most: MAX_OWNED_CLIENTS } }
    : { field: 'client_name', key: 'developer.form_old' };
}

/** The response itself shows the secret. No address contains it, and no page can show it again. */
export function showMade(visit: Visit, { metadata, ...shown }: MadeClient): void {
  const { client_id: id } = metadata;
  showClient(visit, { id, metadata }, 'client-made', { at: pathOf(id), ...shown });
}
