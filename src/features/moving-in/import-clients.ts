import { recordEvent } from '../../audit/events.ts';
import { openNewFile } from '../../command-line/new-file.ts';
import { OPERATOR } from '../../command-line/operator.ts';
import { showProgress } from '../../command-line/progress.ts';
import { endClient } from '../../oauth/store/grants.ts';
import type { Database } from '../../platform/database.ts';
import { importClient, type Planned } from './plan.ts';

/** Owns the writing of planned clients, each as a whole, and of their new secrets. */

type Writing = { from: string; secrets: string | undefined; stop: AbortSignal };

/** @param written takes the ids of clients that were written, of which some are missing when it was interrupted. */
export async function writeClients(
  database: Database,
  plan: Planned[],
  { from, secrets, stop }: Writing,
  written: Set<string>,
): Promise<void> {
  const work = plan.filter(({ outcome }) => outcome === 'make' || outcome === 'update');
  const file = work.some(({ reissued }) => reissued) && secrets !== '-' ? openNewFile('--secrets', String(secrets)) : undefined;
  const tell = (line: string) => (file ? file.line(line) : console.log(line));
  const progress = showProgress('clients', work.length);
  for (const planned of work) {
    // Between two clients, and not within one.
    if (stop.aborted) break;
    await writeClient(database, planned, from, tell);
    written.add(planned.draft.clientId);
    progress.step();
  }
  progress.end();
  file?.close();
}

async function writeClient(database: Database, planned: Planned, source: string, tell: (line: string) => void): Promise<void> {
  const { draft, secret, reissued, outcome } = planned;
  if (reissued) tell(JSON.stringify({ client_id: draft.clientId, client_secret: secret }));
  const event = recordEvent(OPERATOR, {
    type: 'clients_imported',
    clientId: draft.clientId,
    detail: { source, change: outcome === 'update' ? 'updated' : 'made' },
  });
  await database.transaction([...importClient(planned), event]);
  // Only now: what is issued to a client that was not suspended yet is there to be ended.
  if (draft.suspended && planned.existing) await endClient(database, draft.clientId);
}
