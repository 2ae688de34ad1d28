import { languageOf } from '../../../http/language.ts';
import type { Problem } from '../../../http/problem.ts';
import { isSample, type ResourceServer } from '../../../oauth/scopes/resource-servers.ts';
import { nameIn } from '../../../oauth/scopes/scope-words.ts';
import { type OwnPage, show, type Visit } from '../../../pages/own-pages.ts';
import { IDENTITY_SCOPES } from '../../../people/claims.ts';
import { membersOf, NAMES, problemsIn, type Typed, typedIn } from './form.ts';
import { type Chosen, chosenBy, IMPLIED, isRedirected, PLACES, signsPeopleIn } from './kinds.ts';
import { makeClient, showMade } from './making.ts';
import { sealCreation } from './one-creation.ts';
import { namesIn, type ScopeGroup, scopeGroups } from './scope-choice.ts';
import { apisFor } from './token-api.ts';

/**
 * Owns the form for a new client: where it runs, whether a user signs in, and which API it calls. The answers decide how the client gets
 * tokens, and hide the questions that they make pointless.
 */

const FIELDS = [...NAMES, 'redirect_uris', 'place', 'person', 'api', 'require_pkce'] as const;

/**
 * The answer to the third question of a client that calls no API. Without an answer the ticked scopes say which API it calls, as in a browser
 * that shows all scopes.
 */
const NONE = 'none';

/** The scopes about the user. They are asked apart from those of an API. */
const ABOUT_USER: readonly string[] = [...IDENTITY_SCOPES, 'offline_access'];

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
    const result = await makeClient(visit, form, membersFor(visit, typed, chosen, scopes));
    if ('made' in result) showMade(visit, result.made);
    else if ('problems' in result) page(visit, typed, scopes, result.problems);
  },
};

type Judged = { chosen: Chosen | undefined; problems: Problem[] };

function judgeAnswers(visit: Visit, typed: Typed, scopes: string[]): Judged {
  const place = PLACES.find((known) => known === typed['place']);
  const answer = ['yes', 'no'].includes(typed['person'] ?? '') ? typed['person'] === 'yes' : undefined;
  // The page hides the second question where the first answers it, so a leftover answer there means nothing.
  const person = (place && IMPLIED[place]) ?? answer;
  const chosen = place && person !== undefined ? chosenBy(place, person) : undefined;
  const options = optionsFor(visit, scopes);
  const offered = [...ABOUT_USER, ...options.flatMap((option) => option.scopes.map(({ name }) => name))];
  const known = !typed['api'] || options.some(({ identifier }) => identifier === typed['api']);
  const problems: Problem[] = [
    ...(place ? [] : [{ field: 'place', key: 'developer.place_missing' }]),
    ...(person === undefined ? [{ field: 'person', key: 'developer.person_missing' }] : []),
    ...(known ? [] : [{ field: 'api', key: 'developer.api_unknown' }]),
    ...(scopes.length || (chosen && !signsPeopleIn(chosen)) ? [] : [{ field: 'scope', key: 'developer.scope_missing' }]),
    ...(scopes.every((scope) => offered.includes(scope)) ? [] : [{ field: 'scope', key: 'developer.scope_unknown' }]),
    ...problemsIn(chosen && !isRedirected(chosen) ? { ...typed, redirect_uris: '' } : typed, {
      redirected: chosen ? isRedirected(chosen) : false,
      config: visit.app.config,
    }),
  ];
  return { chosen, problems };
}

function membersFor(visit: Visit, typed: Typed, chosen: Chosen, scopes: string[]): Record<string, unknown> {
  const { redirect_uris = [], ...names } = membersOf(typed);
  const { issuer } = visit.app.config;
  const api = typed['api'];
  const option = optionsFor(visit, scopes).find(({ identifier }) => identifier === api);
  const ofApi = option?.scopes.map(({ name }) => name);
  // The page hides the scopes of the other APIs. Without a user, identity scopes have no meaning.
  const scope = scopes
    .filter((name) => ABOUT_USER.includes(name) || !ofApi || ofApi.includes(name))
    .filter((name) => signsPeopleIn(chosen) || !IDENTITY_SCOPES.includes(name))
    .join(' ');
  return {
    ...names,
    // A client without redirects stores no typed redirect URI.
    redirect_uris: isRedirected(chosen) ? redirect_uris : [],
    ...chosen,
    ...(scope ? { scope } : undefined),
    ...(api && ![issuer, NONE].includes(api) ? { resource: api } : undefined),
    ...(typed['require_pkce'] && isRedirected(chosen) ? { require_pkce: true } : undefined),
  };
}

/** An API to choose, with the scopes that its choice shows. `own`: a service of this owner can call it without a user. */
type Option = { identifier: string; name: string | null; sample: boolean; own: boolean; scopes: ScopeGroup['scopes'] };

/** @returns no API first, then the owner's APIs, those without scopes too, and then other owners'. */
function optionsFor(visit: Visit, scopes: string[]): Option[] {
  const { account, ctx, app } = visit;
  const { issuer } = app.config;
  const language = languageOf(ctx);
  const groups = groupsFor(visit, scopes);
  const near = apisFor(visit);
  const others = app.resourceServers.filter(
    (server) => !near.includes(server) && groups.some(({ identifier }) => identifier === server.identifier),
  );
  const options = [...near, ...others].map((server: ResourceServer) => ({
    identifier: server.identifier,
    name: nameIn(server, language),
    sample: isSample(issuer, server.identifier),
    own: server.ownerId === account.id,
    scopes: (groups.find(({ identifier }) => identifier === server.identifier)?.scopes ?? []).filter(
      ({ name }) => !ABOUT_USER.includes(name) || server.identifier !== issuer,
    ),
  }));
  const none = { identifier: NONE, name: null, sample: false, own: true, scopes: [] };
  // This server's own API has scopes to choose in development only.
  return [none, ...options.filter(({ identifier, scopes }) => identifier !== issuer || scopes.length)];
}

function groupsFor({ account, ctx, app }: Visit, scopes: string[]): ScopeGroup[] {
  return scopeGroups(app.resourceServers, app.config.issuer, {
    accountId: account.id,
    samples: app.config.environment !== 'production',
    services: [],
    chosen: scopes,
    language: languageOf(ctx),
  });
}

function page(visit: Visit, typed: Typed, scopes: string[], problems: Problem[] = []): void {
  const known = namesIn(groupsFor(visit, scopes));
  show(visit, 'developer/new-client', {
    creation: sealCreation(visit),
    typed,
    places: PLACES,
    options: optionsFor(visit, scopes),
    issuer: visit.app.config.issuer,
    aboutUser: ABOUT_USER.filter((name) => known.includes(name)).map((name) => ({ name, chosen: scopes.includes(name) })),
    problems,
    ...(problems.length ? { problem: 'developer.problems' } : undefined),
  });
}
