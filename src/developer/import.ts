import { differences, judgeManifest, membersOf, needsSecret, readManifest } from '../authorization-server/client-manifest.ts';
import { type OwnPage, show, type Visit } from '../authorization-server/own-pages.ts';
import { displayName } from '../clients/display-name.ts';
import { MAX_OWNED_CLIENTS } from '../clients/ownership.ts';
import { randomSecret } from '../platform/secrets.ts';
import { makeClient } from './making.ts';
import { problemOf } from './manifest.ts';
import { pathOf } from './owned.ts';

/** A client made of a manifest: what it would be is shown first. */

export const imported: OwnPage = {
  recent: true,

  async show(visit) {
    page(visit, { text: '' });
  },

  /** `text` is the file; with `apply` the client is made. */
  async submit(visit, form) {
    const text = form.get('text') ?? '';
    const read = readManifest(text);
    if ('problem' in read) return page(visit, { text, ...problemOf(read) });
    // Judged for what it would be, with a secret that nobody will ever have.
    const secret = needsSecret(read.members) ? { client_secret: randomSecret() } : undefined;
    const judged = judgeManifest(visit.services.provider, read.members, { client_id: 'new', ...secret });
    if ('problem' in judged) return page(visit, { text, problem: 'developer.manifest.wrong', sentence: judged.problem });
    if (form.get('apply') !== 'yes')
      return page(visit, { text, changes: differences({}, membersOf(judged.metadata)), unknown: read.unknown });
    const made = await makeClient(visit, read.members);
    if ('tooMany' in made) return page(visit, { text, problem: 'developer.too_many_clients', values: { most: MAX_OWNED_CLIENTS } });
    if ('problem' in made) return page(visit, { text, problem: 'developer.manifest.wrong', sentence: made.problem });
    const { client_name: name } = judged.metadata;
    show(visit, 'developer/imported', {
      ...made,
      name: displayName(typeof name === 'string' ? name : undefined, made.clientId),
      path: pathOf(made.clientId),
    });
  },
};

type Shown = {
  text: string;
  changes?: ReturnType<typeof differences>;
  unknown?: string[];
  problem?: string;
  sentence?: string;
  values?: Record<string, string | number>;
};

function page(visit: Visit, shown: Shown): void {
  show(visit, 'developer/import', shown);
}
