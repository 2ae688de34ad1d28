import { languageOf } from '../../../http/language.ts';
import type { Problem } from '../../../http/problem.ts';
import { type OwnPage, show, type Visit } from '../../../pages/own-pages.ts';
import { IDENTITY_SCOPES } from '../../../people/claims.ts';
import { membersOf, NAMES, problemsIn, type Typed, typedIn } from './form.ts';
import { type Chosen, chosenBy, isRedirected, PLACES, signsPeopleIn } from './kinds.ts';
import { makeClient, showMade } from './making.ts';
import { sealCreation } from './one-creation.ts';
import { namesIn, type ScopeGroup, scopeGroups } from './scope-choice.ts';

/** Owns the form for a new client: three questions, whose answers decide how the client gets tokens. */

const FIELDS = [...NAMES, 'redirect_uris', 'place', 'person', 'require_pkce'] as const;

export const newClient: OwnPage = {
  recent: true,

  async show(visit) {
    page(visit, typedIn(new URLSearchParams(), FIELDS), [...IDENTITY_SCOPES]);
  },

  async submit(visit, form) {
    const typed = typedIn(form, FIELDS);
    const scopes = form.getAll('scope');
    const { chosen, problems } = judgeAnswers(visit, typed, scopes);
    if (!chosen || problems.length) return page(visit, typed, scopes, problems);
    const result = await makeClient(visit, form, membersFor(typed, chosen, scopes));
    if ('made' in result) showMade(visit, result.made);
    else if ('problems' in result) page(visit, typed, scopes, result.problems);
  },
};

type Judged = { chosen: Chosen | undefined; problems: Problem[] };

function judgeAnswers(visit: Visit, typed: Typed, scopes: string[]): Judged {
  const place = PLACES.find((known) => known === typed['place']);
  const answered = ['yes', 'no'].includes(typed['person'] ?? '');
  const chosen = place && answered ? chosenBy(place, typed['person'] === 'yes') : undefined;
  const offered = namesIn(groupsFor(visit, scopes));
  const problems: Problem[] = [
    ...(place ? [] : [{ field: 'place', key: 'developer.place_missing' }]),
    ...(answered ? [] : [{ field: 'person', key: 'developer.person_missing' }]),
    ...(place && answered && !chosen
      ? [{ field: 'person', key: typed['person'] === 'yes' ? 'developer.person_at_service' : 'developer.person_needed' }]
      : []),
    ...problemsIn(chosen && !isRedirected(chosen) ? { ...typed, redirect_uris: '' } : typed, {
      redirected: chosen ? isRedirected(chosen) : false,
      config: visit.app.config,
    }),
    ...(scopes.length || (chosen && !signsPeopleIn(chosen)) ? [] : [{ field: 'scope', key: 'developer.scope_missing' }]),
    ...(scopes.every((scope) => offered.includes(scope)) ? [] : [{ field: 'scope', key: 'developer.scope_unknown' }]),
  ];
  return { chosen, problems };
}

function membersFor(typed: Typed, chosen: Chosen, scopes: string[]): Record<string, unknown> {
  const { redirect_uris = [], ...names } = membersOf(typed);
  // The form preselects identity scopes before it knows whether a user signs in. Without a user they have no meaning.
  const scope = scopes.filter((name) => signsPeopleIn(chosen) || !IDENTITY_SCOPES.includes(name)).join(' ');
  return {
    ...names,
    // A client without redirects stores no typed redirect URI.
    redirect_uris: isRedirected(chosen) ? redirect_uris : [],
    ...chosen,
    ...(scope ? { scope } : undefined),
    ...(typed['require_pkce'] && isRedirected(chosen) ? { require_pkce: true } : undefined),
  };
}

function groupsFor({ account, ctx, app }: Visit, scopes: string[]): ScopeGroup[] {
  return scopeGroups(app.resourceServers, app.config.issuer, {
    accountId: account.id,
    services: [],
    chosen: scopes,
    language: languageOf(ctx),
  });
}

function page(visit: Visit, typed: Typed, scopes: string[], problems: Problem[] = []): void {
  show(visit, 'developer/new-client', {
    creation: sealCreation(visit),
    typed,
    places: PLACES,
    groups: groupsFor(visit, scopes),
    problems,
    ...(problems.length ? { problem: 'developer.problems' } : undefined),
  });
}
