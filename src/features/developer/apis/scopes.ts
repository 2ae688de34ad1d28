import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, type OwnPage, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import type { Statement } from '../../../platform/database.ts';
import { isUniqueViolation } from '../../../platform/sql-errors.ts';
import { lockOwner } from '../clients/owned-clients.ts';
import { MAX_SCOPE_NAME, MAX_TITLE, type ScopeFields, scopeNameProblem, scopeProblem } from './api-judgement.ts';
import { addScope, changeScope, deleteScope, MOST_SCOPES, type OwnedApiWithScopes } from './api-ownership.ts';
import { fieldOf } from './apis.ts';
import { apiPath, limitApiChanges, ownApi, showApi } from './owned-api.ts';

/**
 * Owns the scopes of an API, each with the sentences that users read before they decide. A scope's name cannot change, because clients
 * request it.
 */

/** Whether a request without `scope` includes it. Any other value leaves the decision to `sensitive`. */
const DEFAULTS = new Map([
  ['yes', true],
  ['no', false],
]);
const VALUES = { name: MAX_SCOPE_NAME, title: MAX_TITLE, scopes: MOST_SCOPES };

export const apiScopes: OwnPage = {
  recent: true,

  async show(visit) {
    page(visit, await ownApi(visit));
  },

  /** `act` is `add`, `change` or `delete`. */
  async submit(visit, form) {
    const own = await ownApi(visit);
    await limitApiChanges(visit);
    const fields = fieldsOf(form, own);
    switch (form.get('act')) {
      case 'add':
        return add(visit, own, fields);
      case 'change': {
        const wrong = scopeProblem(fields);
        return wrong ? page(visit, own, { fields, wrong }) : keep(visit, own, fields.name, changeScope(visit.account.id, own.id, fields));
      }
      case 'delete':
        return keep(visit, own, fields.name, deleteScope(visit.account.id, own.id, fields.name));
      default:
        return page(visit, own);
    }
  },
};

async function add(visit: Visit, own: OwnedApiWithScopes, fields: ScopeFields): Promise<void> {
  const { account, app } = visit;
  const ours = app.resourceServers.find(({ identifier }) => identifier === app.config.issuer);
  const wrong = scopeNameProblem(fields.name, ours, await reservedPrefixes(app)) ?? scopeProblem(fields);
  if (wrong) return page(visit, own, { fields, wrong, adding: true });
  try {
    const added = await writeTogether(app.database, [
      { purpose: 'keep', apart: true, statement: lockOwner(account.id) },
      { purpose: 'keep', once: true, statement: addScope(account.id, own.id, fields) },
      { purpose: 'keep', statement: changed(visit, own, fields.name) },
    ]);
    if (!added) return page(visit, own, { fields, wrong: 'developer.apis.scope_quota', adding: true });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return page(visit, own, { fields, wrong: 'developer.apis.scope_taken', adding: true });
  }
  backTo(visit, apiPath(own.id, '/scopes'));
}

async function keep(visit: Visit, own: OwnedApiWithScopes, scope: string, statement: Statement): Promise<void> {
  const kept = await writeTogether(visit.app.database, [
    { purpose: 'keep', once: true, statement },
    { purpose: 'keep', statement: changed(visit, own, scope) },
  ]);
  // Another tab may have deleted it a moment ago.
  if (!kept) return page(visit, own, { wrong: 'developer.apis.scope_unknown' });
  backTo(visit, apiPath(own.id, '/scopes'));
}

async function reservedPrefixes({ database, features }: Visit['app']): Promise<string[]> {
  return (await Promise.all(features.map((feature) => feature.reservedPrefixes?.(database) ?? []))).flat();
}

const changed = (visit: Visit, { identifier }: OwnedApiWithScopes, scope: string) =>
  recordOwnEvent(visit, 'resource_server_changed', { detail: { resource: identifier, scope } });

function fieldsOf(form: URLSearchParams, { scopes }: OwnedApiWithScopes): ScopeFields {
  const position = form.get('position') ?? '';
  const [titleKo, titleEn] = ['title_ko', 'title_en'].map((field) => (form.get(field) ?? '').trim()) as [string, string];
  const last = Math.max(0, ...scopes.map((scope) => scope.position));
  return {
    name: form.get('name') ?? '',
    // A language without a text has the other's.
    titleKo: titleKo || titleEn,
    titleEn: titleEn || titleKo,
    sensitive: form.get('sensitive') === 'yes',
    mayBeRequired: form.get('choice') !== 'always',
    isDefault: DEFAULTS.get(form.get('default') ?? '') ?? null,
    position: form.has('position') ? (/^\d{1,3}$/.test(position) ? Number(position) : Number.NaN) : Math.min(last + 1, 999),
  };
}

type Wrong = { fields?: ScopeFields; wrong?: string; adding?: true };

function page(visit: Visit, own: OwnedApiWithScopes, { fields, wrong, adding }: Wrong = {}): void {
  const typed = fields && { ...fields, position: Number.isNaN(fields.position) ? '' : fields.position };
  const scopes = own.scopes.map((scope) => (typed && !adding && scope.name === typed.name ? typed : scope));
  showApi(visit, own, 'api-scopes', {
    scopes,
    open: adding ? undefined : typed?.name,
    adding: adding ? typed : undefined,
    ...(wrong && { problem: wrong, wrong: fieldOf(wrong) }),
    values: VALUES,
  });
}
