import { languageOf } from '../../../http/language.ts';
import type { Problem } from '../../../http/problem.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { findLogoState } from '../../../oauth/clients/logos.ts';
import { redirectUriHints } from '../../../oauth/clients/redirect-uri.ts';
import type { ClientMetadata } from '../../../oauth/clients/store.ts';
import { backTo, type OwnPage, type Visit } from '../../../pages/own-pages.ts';
import type { Config } from '../../../platform/config.ts';
import { mayChoosePkce, pkceFacts, requirePkce } from '../pkce/pkce.ts';
import { callbackOf } from '../try/visit.ts';
import { changeClient } from './changing.ts';
import { LINKS, linesOf, membersOf, NAMES, problemsIn, type Typed, typedIn, URI_LISTS } from './form.ts';
import { listOf } from './kind.ts';
import { asksForNothing, isRedirected } from './kinds.ts';
import { type OwnClient, ownClient, pathOf } from './owned.ts';
import { showClient } from './page.ts';
import { namesIn, registeredScopes, type ScopeGroup, scopeGroups } from './scope-choice.ts';

/**
 * Owns the page on which an owner changes a client's metadata. How the client gets tokens was chosen at creation and does not change here.
 */

const FIELDS = [...NAMES, ...URI_LISTS, ...LINKS] as const;
// Members that are not text and have their own kind of field.
const OTHER_MEMBERS = ['scope', 'require_pkce'] as const;

export const client: OwnPage = {
  recent: true,

  async show(visit) {
    const record = await ownClient(visit);
    await page(visit, record, { typed: typedOf(record.metadata), groups: groupsFor(visit, record) });
  },

  async submit(visit, form) {
    const { app } = visit;
    const record = await ownClient(visit);
    if (form.get('act') === 'require_pkce') return requirePkce(visit, record);
    const typed = typedIn(form, [...FIELDS, 'require_pkce']);
    const ticked = form.getAll('scope');
    const groups = groupsFor(visit, record, ticked);
    const problems = problemsWith(record, typed, { groups, ticked, config: app.config });
    if (problems.length) return page(visit, record, { typed, groups, problems });
    const changed = change(record, typed, groups, ticked);
    const changes = membersThatDiffer(record.metadata, changed);
    if (!changes.length) return backTo(visit, pathOf(record.id));
    const refused = await changeClient(visit, record, changed, changes);
    if (refused.length) return page(visit, await ownClient(visit), { typed, groups, problems: refused });
    backTo(visit, pathOf(record.id));
  },
};

const SUSPENDED: Problem = { field: 'client_name', key: 'developer.suspended_unchanged' };

type Asked = { groups: ScopeGroup[]; ticked: string[]; config: Config };

function problemsWith({ metadata, suspended_at }: ClientRecord, typed: Typed, { groups, ticked, config }: Asked): Problem[] {
  if (suspended_at) return [SUSPENDED];
  const offered = namesIn(groups);
  return [
    ...problemsIn(typed, {
      redirected: isRedirected({ grant_types: grantsOf(metadata) }),
      config,
      held: URI_LISTS.flatMap((list) => listOf(metadata[list])),
    }),
    ...(asksForNothing(metadata) || ticked.length || keptScopes(metadata, groups).length
      ? []
      : [{ field: 'scope', key: 'developer.scope_missing' }]),
    ...(ticked.every((scope) => offered.includes(scope)) ? [] : [{ field: 'scope', key: 'developer.scope_unknown' }]),
  ];
}

const grantsOf = (metadata: Record<string, unknown>): string[] =>
  Array.isArray(metadata['grant_types']) ? metadata['grant_types'].map(String) : ['authorization_code'];

/** @returns the changed metadata; members without a field on the page stay as they are. */
function change(record: ClientRecord, typed: Typed, groups: ScopeGroup[], ticked: string[]): ClientMetadata {
  const { id, metadata } = record;
  const onPage: string[] = [...FIELDS, 'scope', ...(mayChoosePkce(record) ? ['require_pkce'] : [])];
  const others = Object.entries(metadata).filter(([member]) => !onPage.includes(member));
  const scope = scopeOf(metadata, groups, ticked);
  return {
    ...Object.fromEntries(others),
    client_id: id,
    redirect_uris: [],
    ...membersOf(typed),
    ...(scope === undefined ? undefined : { scope }),
    ...(typed['require_pkce'] && mayChoosePkce(record) ? { require_pkce: true } : undefined),
  };
}

/** @returns undefined for a client that may request every scope and continues to. */
function scopeOf(metadata: Record<string, unknown>, groups: ScopeGroup[], ticked: string[]): string | undefined {
  if (asksForNothing(metadata)) return registeredScopes(metadata)?.join(' ');
  if (!registeredScopes(metadata) && namesIn(groups).every((scope) => ticked.includes(scope))) return undefined;
  return [...new Set([...ticked, ...keptScopes(metadata, groups)])].join(' ');
}

/** Scopes that only an operator can give: they are not on the page and must stay. */
const keptScopes = (metadata: Record<string, unknown>, groups: ScopeGroup[]): string[] => {
  const offered = namesIn(groups);
  return (registeredScopes(metadata) ?? []).filter((scope) => !offered.includes(scope));
};

// On the page, an empty list and a switched-off option equal an absent member.
const comparable = (value: unknown): string =>
  JSON.stringify((Array.isArray(value) && !value.length) || value === false ? undefined : value) ?? '';

const membersThatDiffer = (before: Record<string, unknown>, after: Record<string, unknown>): string[] =>
  [...FIELDS, ...OTHER_MEMBERS].filter((member) => comparable(before[member]) !== comparable(after[member]));

function typedOf(metadata: Record<string, unknown>): Typed {
  const text = (value: unknown) => (Array.isArray(value) ? value.join('\n') : typeof value === 'string' ? value : '');
  return {
    ...Object.fromEntries(FIELDS.map((field) => [field, text(metadata[field])])),
    require_pkce: metadata['require_pkce'] === true ? 'yes' : '',
  };
}

function groupsFor({ account, ctx, app }: Visit, { metadata, services: allowed }: ClientRecord, ticked?: string[]): ScopeGroup[] {
  return scopeGroups(app.resourceServers, app.config.issuer, {
    accountId: account.id,
    samples: app.config.environment !== 'production',
    services: allowed,
    chosen: ticked ?? registeredScopes(metadata),
    language: languageOf(ctx),
  });
}

type Shown = { typed: Typed; groups: ScopeGroup[]; problems?: Problem[] };

async function page(visit: Visit, record: OwnClient, { typed, groups, problems = [] }: Shown): Promise<void> {
  const { id, metadata } = record;
  const logo = await findLogoState(visit.app.database, id);
  showClient(visit, record, 'client', {
    at: pathOf(id),
    typed,
    pkce: await pkceFacts(visit, record),
    groups,
    problems,
    hints: redirectUriHints(linesOf(typed['redirect_uris']), {
      native: metadata['application_type'] === 'native',
      own: callbackOf(visit.app.config.issuer),
    }),
    method: metadata['token_endpoint_auth_method'] ?? 'client_secret_basic',
    grants: grantsOf(metadata),
    redirected: isRedirected({ grant_types: grantsOf(metadata) }),
    // A client without redirects has no URI fields, except to remove URIs that it still has.
    addressed: isRedirected({ grant_types: grantsOf(metadata) }) || URI_LISTS.some((list) => typed[list]),
    asksForNothing: asksForNothing(metadata),
    stated: metadata['software_statement'] !== undefined,
    already: visit.ctx.query['made'] !== undefined,
    registeredAt: record.created_at,
    logo,
    publisher: record.publisher,
    verifiedAt: record.verified_at,
    suspendedAt: record.suspended_at,
    ...(problems.length ? { problem: 'developer.problems' } : undefined),
  });
}
