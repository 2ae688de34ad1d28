import type { Problem } from '../../../http/problem.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { judgePortalClient } from '../../../oauth/clients/metadata/client-judgement.ts';
import { type ClientMetadata, saveClient } from '../../../oauth/clients/store.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { kept, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { problemsOf } from './form.ts';
import { replaceOwned } from './owned-clients.ts';

/** Owns the change of a client's metadata: it is judged, limited and audited in the same way from every page. */

/**
 * @param changed the whole metadata after the change. @param changes the members that differ, for the audit event.
 * @returns the problems; empty when the change was written.
 */
export async function changeClient(visit: Visit, record: ClientRecord, changed: ClientMetadata, changes: string[]): Promise<Problem[]> {
  const { app, account } = visit;
  const known = await app.provider.Client.find(record.id);
  if (!known) return [{ field: 'client_name', key: 'developer.suspended_unchanged' }];
  const judged = judgePortalClient(app.provider, changed, known);
  if (!judged.ok) return problemsOf(changed, judged.problem, app);
  await limitRate(app.database, LIMITS.clientChanges, account.id);
  const written = await writeTogether(app.database, [
    // Another request may have changed or deleted the client first. This write must not restore it.
    { purpose: 'keep', apart: true, once: true, statement: replaceOwned(record, account.id) },
    ...kept(saveClient(judged.metadata)),
    { purpose: 'keep', statement: recordOwnEvent(visit, 'client_changed', { clientId: record.id, detail: { changes } }) },
  ]);
  return written ? [] : [{ field: 'client_name', key: 'developer.changed_meanwhile' }];
}
