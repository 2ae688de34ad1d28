import type { Problem } from '../../../http/problem.ts';
import { composeSource } from '../../../http/render.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { backTo, type OwnPage, type Visit } from '../../../pages/own-pages.ts';
import { AppError } from '../../../platform/errors.ts';
import { kindOf } from '../clients/kind.ts';
import { type OwnClient, ownClient, pathOf } from '../clients/owned.ts';
import { showClient } from '../clients/page.ts';
import { tokenApi } from '../clients/token-api.ts';
import { type Flow, factsOf, registeredUri } from './facts.ts';
import { allowQuickStart, quickStart, quickStartsFor } from './quick-starts.ts';

/**
 * Owns the code samples: files of views/developer/snippets, with the client's id, URIs and scopes as literals of the language. They never
 * contain a secret: the code reads it from the environment. They omit the client's name, because its owner can put any text there.
 */

export const snippets: OwnPage = {
  /** `for` in the query names a quick start; without it the page has the samples by language. */
  async show(visit) {
    const client = await ownClient(visit);
    const asked = visit.ctx.query['for'];
    const name = quickStartsFor(client).find((known) => known === asked);
    if (name) return showQuickStart(visit, client, name);
    const flows = flowsOf(client);
    showClient(visit, client, 'snippets', {
      groups: flows.map((flow) => ({ own: flow === 'own', files: filesOf(visit, client, flow) })),
      ...common(visit, client),
      registered: registeredUri(visit.app, client) !== undefined,
    });
  },

  /** Registers the redirect URI of the quick start that `for` names. */
  async submit(visit, form) {
    const client = await ownClient(visit);
    const name = quickStartsFor(client).find((known) => known === form.get('for'));
    if (!name) throw new AppError('invalid_request', { status: 400, reason: 'unknown quick start' });
    const problems = await allowQuickStart(visit, client, name);
    if (problems.length) return showQuickStart(visit, client, name, problems);
    backTo(visit, `${pathOf(client.id, '/snippets')}?for=${name}&done`, false);
  },
};

const common = (visit: Visit, client: OwnClient) => ({
  kind: kindOf(client),
  api: tokenApi(visit, client),
  quickStarts: quickStartsFor(client),
  at: pathOf(client.id, '/snippets'),
});

function showQuickStart(visit: Visit, client: OwnClient, name: string, wrong: Problem[] = []): void {
  showClient(visit, client, 'quick-start', {
    ...common(visit, client),
    chosen: name,
    start: quickStart(visit, client, name),
    wrong,
    ...(wrong.length ? { problem: 'developer.problems' } : undefined),
  });
}

const flowsOf = (client: ClientRecord): Flow[] => {
  const { takesCodes, own } = kindOf(client);
  return [...(takesCodes ? (['code'] as const) : []), ...(own ? (['own'] as const) : [])];
};

const FILES = ['curl', 'node', 'python', 'go', 'spring_yaml', 'spring_java'] as const;

/** @returns the files that can authenticate this client. A signature needs a library; of these, only Node's needs few lines. */
const filesFor = (authMethod: string) => FILES.filter((file) => authMethod !== 'private_key_jwt' || file === 'node');

export type Snippet = { file: (typeof FILES)[number]; id: string; text: string };

function filesOf(visit: Visit, client: ClientRecord, flow: Flow): Snippet[] {
  const { authMethod } = kindOf(client);
  const facts = factsOf(visit, client, flow);
  return filesFor(authMethod).map((file) => ({
    file,
    id: `${flow}-${file}`,
    text: composeSource(`developer/snippets/${file}`, facts),
  }));
}
