import type { Problem } from '../../../http/problem.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { judgePortalClient } from '../../../oauth/clients/metadata/client-judgement.ts';
import { type ClientMetadata, saveClient } from '../../../oauth/clients/store.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, type OwnPage, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { differences, membersOf, needsSecret, type ReadManifest, readManifest, withMembers, writeManifest } from './client-manifest.ts';
import { problemsOf } from './form.ts';
import { ownClient, pathOf } from './owned.ts';
import { replaceOwned } from './owned-clients.ts';
import { showClient } from './page.ts';

/** Owns a client's manifest page: download, and upload of a changed file. A preview shows the changes first. */

export const manifest: OwnPage = {
  recent: true,

  async show(visit) {
    const client = await ownClient(visit);
    page(visit, client, { text: writeManifest(client.metadata) });
  },

  /** `text` is the file; `apply` saves the changes. */
  async submit(visit, form) {
    const client = await ownClient(visit);
    const text = form.get('text') ?? '';
    const read = readManifest(text);
    if ('problem' in read) return page(visit, client, { text, ...problemOf(read) });
    const found = await visit.app.provider.Client.find(client.id);
    if (!found) return page(visit, client, { text, problem: 'developer.manifest.suspended' });
    if (needsSecret(read.members) && !client.secrets.length) return page(visit, client, { text, problem: 'developer.manifest.no_secret' });
    const stored: ClientMetadata = { ...client.metadata, client_id: client.id };
    const wished = withMembers(read.members, stored);
    const judged = judgePortalClient(visit.app.provider, wished, found);
    if (!judged.ok)
      return page(visit, client, {
        text,
        problem: 'developer.manifest.wrong',
        wrong: problemsOf(wished, judged.problem, visit.app),
      });
    // Compare with the judged metadata, so that default values do not count as changes.
    const now = judgePortalClient(visit.app.provider, stored, found);
    const changes = differences(membersOf(now.ok ? now.metadata : client.metadata), membersOf(judged.metadata));
    if (form.get('apply') !== 'yes' || !changes.length) return page(visit, client, { text, changes, unknown: read.unknown });
    await limitRate(visit.app.database, LIMITS.clientsOfAccount, visit.account.id);
    const applied = await writeTogether(visit.app.database, [
      { purpose: 'keep', apart: true, once: true, statement: replaceOwned(client, visit.account.id) },
      ...saveClient({ ...judged.metadata, client_id: client.id }).map((statement) => ({ purpose: 'keep' as const, statement })),
      {
        purpose: 'keep',
        statement: recordOwnEvent(visit, 'client_changed', {
          clientId: client.id,
          detail: { changes: changes.map(({ member }) => member) },
        }),
      },
    ]);
    if (!applied) return page(visit, await ownClient(visit), { text, problem: 'developer.manifest.changed_meanwhile' });
    backTo(visit, pathOf(client.id, '/manifest'));
  },
};

export const manifestFile: OwnPage = {
  async show(visit) {
    const client = await ownClient(visit);
    const { ctx } = visit;
    ctx.attachment('munjigi-client.json');
    ctx.type = 'application/json';
    ctx.set('Cache-Control', 'no-store');
    ctx.body = writeManifest(client.metadata);
  },
};

/** @returns the sentence for a file that cannot be read. */
export function problemOf(read: Extract<ReadManifest, { problem: string }>): { problem: string; values: Record<string, string> } {
  return { problem: read.problem, values: { member: read.member ?? '' } };
}

type Shown = {
  text: string;
  changes?: ReturnType<typeof differences>;
  unknown?: string[];
  problem?: string;
  /** What the judgement refused. */
  wrong?: Problem[];
  values?: Record<string, string>;
};

function page(visit: Visit, client: ClientRecord, shown: Shown): void {
  showClient(visit, client, 'manifest', { file: pathOf(client.id, '/manifest/file'), ...shown });
}
