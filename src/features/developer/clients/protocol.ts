import type { Problem } from '../../../http/problem.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { judgePortalClient } from '../../../oauth/clients/metadata/client-judgement.ts';
import { hasSecret } from '../../../oauth/clients/secrets.ts';
import { type ClientMetadata, saveClient } from '../../../oauth/clients/store.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { MAX_GRACE_SECONDS } from '../../../oauth/tokens/refresh-policy.ts';
import { alarm, backTo, kept, type OwnPage, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { randomSecret } from '../../../platform/secrets.ts';
import { differences, membersOf } from './client-manifest.ts';
import { problemsOf } from './form.ts';
import { nameOf, type OwnClient, ownClient, pathOf } from './owned.ts';
import { replaceOwned } from './owned-clients.ts';
import { showClient } from './page.ts';
import { GRANTS, MEMBERS, METHODS, type Protocol, protocolIn, protocolOf, protocolProblems, withProtocol } from './protocol-form.ts';
import { secretsMadeBy } from './rotation.ts';
import { type ShownSecret, showSecret } from './shown-secret.ts';

/**
 * Owns the page on which an owner changes how a client authenticates and gets tokens. A method with a secret creates the first one, and a
 * method without one deletes them all.
 */

export const protocol: OwnPage = {
  recent: true,

  async show(visit) {
    const record = await ownClient(visit);
    page(visit, record, protocolOf(record.metadata));
  },

  async submit(visit, form) {
    const { app, account } = visit;
    const record = await ownClient(visit);
    const wished = protocolIn(form);
    const problems = protocolProblems(wished, record.metadata, app.config);
    if (problems.length) return page(visit, record, wished, { problems });
    const known = await app.provider.Client.find(record.id);
    if (!known) return page(visit, record, wished, { problems: [SUSPENDED] });
    const stored: ClientMetadata = { ...record.metadata, client_id: record.id };
    const changed = withProtocol(stored, wished);
    const secret = hasSecret(changed) && !record.secrets.length ? randomSecret() : undefined;
    const judged = judgePortalClient(app.provider, { ...changed, ...(secret && { client_secret: secret }) }, known);
    if (!judged.ok) return page(visit, record, wished, { problems: problemsOf(changed, judged.problem, app) });
    const before = judgePortalClient(app.provider, stored, known);
    const changes = differences(membersOf(before.ok ? before.metadata : record.metadata), membersOf(judged.metadata))
      .map(({ member }) => member)
      .filter((member) => (MEMBERS as readonly string[]).includes(member));
    if (!changes.length && !secret) return backTo(visit, pathOf(record.id, '/protocol'));
    await limitRate(app.database, LIMITS.clientChanges, account.id);
    if (secret) await limitRate(app.database, LIMITS.secretsOfAccount, account.id);
    const written = await writeTogether(app.database, [
      // Another request may have changed or deleted the client first. This write must not restore it.
      { purpose: 'keep', apart: true, once: true, statement: replaceOwned(record, account.id) },
      ...kept(saveClient({ ...judged.metadata, client_id: record.id })),
      { purpose: 'keep', statement: recordOwnEvent(visit, 'client_changed', { clientId: record.id, detail: { changes } }) },
      ...(secret ? kept(secretMade(visit, record)) : []),
    ]);
    if (!written) return page(visit, await ownClient(visit), wished, { problems: [CHANGED] });
    if (!secret) return backTo(visit, pathOf(record.id, '/protocol'));
    page(visit, await ownClient(visit), wished, { shown: showSecret(visit, record.id, secret) });
  },
};

const SUSPENDED: Problem = { field: 'token_endpoint_auth_method', key: 'developer.suspended_unchanged' };
const CHANGED: Problem = { field: 'token_endpoint_auth_method', key: 'developer.changed_meanwhile' };

const secretMade = (visit: Visit, record: OwnClient) => [
  secretsMadeBy(record.id, visit.account.id),
  recordOwnEvent(visit, 'client_secret_made', { clientId: record.id, detail: { overlapHours: 0 } }),
  ...alarm(visit, 'client_secret_made', 'client_secret_made', { app: nameOf(record) }),
];

function page(
  visit: Visit,
  record: OwnClient,
  { typed, grants }: Protocol,
  { problems = [], shown }: { problems?: Problem[]; shown?: ShownSecret } = {},
): void {
  showClient(visit, record, 'protocol', {
    at: pathOf(record.id, '/protocol'),
    typed,
    chosen: grants,
    methods: METHODS,
    grants: GRANTS,
    longest: MAX_GRACE_SECONDS,
    confidential: hasSecret(record.metadata),
    publisher: record.publisher,
    problems,
    ...shown,
    ...(problems.length ? { problem: 'developer.problems' } : undefined),
  });
}
