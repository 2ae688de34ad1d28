import type { Problem } from '../../../http/problem.ts';
import { judgePortalClient } from '../../../oauth/clients/metadata/client-judgement.ts';
import { type OwnPage, show, type Visit } from '../../../pages/own-pages.ts';
import { differences, membersOf, readManifest } from './client-manifest.ts';
import { problemsOf } from './form.ts';
import { makeClient, showMade } from './making.ts';
import { problemOf } from './manifest.ts';
import { sealCreation } from './one-creation.ts';

/** Owns the creation of a client from a manifest. A preview comes first. */

export const imported: OwnPage = {
  recent: true,

  async show(visit) {
    page(visit, { text: '' });
  },

  /** `text` is the file; `apply` creates the client. */
  async submit(visit, form) {
    const text = form.get('text') ?? '';
    const read = readManifest(text);
    if ('problem' in read) return page(visit, { text, ...problemOf(read) });
    // Judge it as the client it would become.
    const metadata = { ...read.members, client_id: 'new' };
    const judged = judgePortalClient(visit.app.provider, metadata);
    if (!judged.ok)
      return page(visit, { text, problem: 'developer.manifest.wrong', wrong: problemsOf(metadata, judged.problem, visit.app) });
    if (form.get('apply') !== 'yes')
      return page(visit, {
        text,
        changes: differences({}, membersOf(judged.metadata)),
        unknown: read.unknown,
        creation: sealCreation(visit),
      });
    const result = await makeClient(visit, form, read.members);
    if ('made' in result) showMade(visit, result.made);
    else if ('problems' in result) page(visit, { text, problem: 'developer.manifest.wrong', wrong: result.problems });
  },
};

type Shown = {
  text: string;
  changes?: ReturnType<typeof differences>;
  unknown?: string[];
  /** For the form that creates the client. */
  creation?: string;
  problem?: string;
  wrong?: Problem[];
  values?: Record<string, string | number>;
};

function page(visit: Visit, shown: Shown): void {
  show(visit, 'developer/import', shown);
}
