import { LANGUAGES, languageOf } from '../../../http/language.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { judgePortalClient } from '../../../oauth/clients/metadata/client-judgement.ts';
import { type ClientMetadata, saveClient } from '../../../oauth/clients/store.ts';
import { requirementOf } from '../../../oauth/consent/asked.ts';
import { describeScopes, type ScopeAt } from '../../../oauth/scopes/scope-words.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { IDENTITY_SCOPES } from '../../../people/claims.ts';
import { pathOf } from './owned.ts';
import { replaceOwned } from './owned-clients.ts';

/** Owns the form on which an owner says which scopes a client requires, and why. consent/asked.ts decides which requirements apply. */

export type ScopeNeed = {
  name: string;
  title: string;
  api: string | undefined;
  /** The identifier of the API; undefined for this server's own. */
  resource: string | undefined;
  sensitive: boolean;
  required: boolean;
  /** False where the user can always decline: the API's owner said so, or the scope is sensitive and no operator verified the client. */
  choosable: boolean;
};

const REASONS = LANGUAGES.map((language) => `required_scope_reason#${language}`);

const recordAsClient = ({ id, metadata, publisher }: ClientRecord) => ({ ...metadata, clientId: id, publisher });

/** @returns the scopes that the client may request besides identity, each with its requirement. */
export function scopeNeeds({ ctx, app }: Visit, record: ClientRecord, askable: ScopeAt[]): ScopeNeed[] {
  const { resourceServers: servers, config } = app;
  const known = { servers, issuer: config.issuer };
  const beside = askable.filter(({ resource, name }) => resource !== undefined || !IDENTITY_SCOPES.includes(name));
  return describeScopes(servers, config.issuer, beside, languageOf(ctx)).map((scope) => ({
    name: scope.name,
    title: scope.title,
    api: scope.api,
    resource: scope.resource,
    sensitive: scope.sensitive,
    required: requirementOf(known, recordAsClient(record), scope) === 'required',
    choosable: requirementOf(known, { ...recordAsClient(record), required_scope: scope.name }, scope) === 'required',
  }));
}

export const reasonsOf = ({ metadata }: ClientRecord): Record<string, string> =>
  Object.fromEntries(REASONS.map((member) => [member, typeof metadata[member] === 'string' ? String(metadata[member]) : '']));

/** @returns the key of the sentence that says why nothing changed; undefined on success. */
export async function changeNeeds(
  visit: Visit,
  record: ClientRecord,
  needs: ScopeNeed[],
  form: URLSearchParams,
): Promise<string | undefined> {
  const { app, account } = visit;
  const required = needs.filter(({ name, choosable }) => choosable && form.get(`need ${name}`) === 'required').map(({ name }) => name);
  const said = REASONS.map((member) => [member, (form.get(member) ?? '').trim()] as const).filter(([, reason]) => reason);
  const others = Object.entries(record.metadata).filter(([member]) => !REASONS.includes(member));
  const wished = {
    ...Object.fromEntries(others),
    ...Object.fromEntries(said),
    client_id: record.id,
    required_scope: [...IDENTITY_SCOPES, ...new Set(required)].join(' '),
  } as ClientMetadata;
  const client = await app.provider.Client.find(record.id);
  if (!client) return 'developer.suspended_unchanged';
  const judged = judgePortalClient(app.provider, wished, client);
  if (!judged.ok) return 'developer.needs.reason_wrong';
  await limitRate(app.database, LIMITS.clientChanges, account.id);
  const kept = await writeTogether(app.database, [
    { purpose: 'keep', apart: true, once: true, statement: replaceOwned(record, account.id) },
    ...saveClient(judged.metadata).map((statement) => ({ purpose: 'keep' as const, statement })),
    {
      purpose: 'keep',
      statement: recordOwnEvent(visit, 'client_changed', { clientId: record.id, detail: { changes: ['required_scope'] } }),
    },
  ]);
  if (!kept) return 'developer.changed_meanwhile';
  backTo(visit, pathOf(record.id, '/preview'));
  return undefined;
}
