import { randomUUID } from 'node:crypto';
import { judgePortalClient } from '../authorization-server/client-judgement.ts';
import { type OwnPage, show, told, type Visit } from '../authorization-server/own-pages.ts';
import { addOwnerOfNew, lockOwner, MAX_OWNED_CLIENTS } from '../clients/ownership.ts';
import { hasSecret } from '../clients/secrets.ts';
import { type ClientMetadata, saveClient } from '../clients/store.ts';
import { languageOf } from '../http/language.ts';
import { LIMITS, limitRate } from '../http/rate-limit.ts';
import { randomSecret } from '../platform/secrets.ts';
import type { Write } from '../protocol-store/unit-of-work.ts';
import { writeTogether } from '../protocol-store/unit-of-work.ts';
import { membersOf, NAMES, type Problem, problemsIn, type Typed, typedIn } from './client-form.ts';
import { showClient } from './client-page.ts';
import { type Chosen, chosenBy, isRedirected, PLACES, type Place } from './kinds.ts';
import { pathOf } from './owned.ts';
import { namesIn, type ScopeGroup, scopeGroups } from './scope-choice.ts';
import { sealForFile } from './shown-secret.ts';

/** Owns the making of a client: three questions, by whose answers it is chosen how the app gets its tokens. */

const FIELDS = [...NAMES, 'redirect_uris', 'place', 'person'] as const;

// What nearly every app asks for whose people sign in.
const USUAL_SCOPES = ['openid', 'profile'];

export const newClient: OwnPage = {
  recent: true,

  async show(visit) {
    page(visit, typedIn(new URLSearchParams(), FIELDS), USUAL_SCOPES);
  },

  async submit(visit, form) {
    const { account, services } = visit;
    const typed = typedIn(form, FIELDS);
    const scopes = form.getAll('scope');
    const { chosen, problems } = judgeAnswers(visit, typed, scopes);
    if (!chosen || problems.length) return page(visit, typed, scopes, problems);
    const metadata: ClientMetadata = { ...clientOf(typed, chosen), scope: scopes.join(' ') };
    const judged = await judgePortalClient(services.provider, metadata, false);
    if (!judged.ok)
      return page(visit, typed, scopes, [{ field: judged.member ?? 'client_name', key: 'developer.refused', about: judged.sentence }]);
    await limitRate(services.database, LIMITS.clientsOfAccount, account.id);
    const made = await writeTogether(services.database, writesOf(visit, judged.metadata));
    if (!made)
      return page(visit, typed, scopes, [{ field: 'client_name', key: 'developer.too_many', values: { most: MAX_OWNED_CLIENTS } }]);
    answer(visit, judged.metadata, typed['place'] as Place);
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
      type: chosen?.application_type ?? (place === 'native' ? 'native' : 'web'),
      redirected: chosen ? isRedirected(chosen) : false,
    }),
    ...(scopes.length ? [] : [{ field: 'scope', key: 'developer.scope_missing' }]),
    ...(scopes.every((scope) => offered.includes(scope)) ? [] : [{ field: 'scope', key: 'developer.scope_unknown' }]),
  ];
  return { chosen, problems };
}

function clientOf(typed: Typed, chosen: Chosen): ClientMetadata {
  const { redirect_uris = [], ...names } = membersOf(typed);
  return {
    client_id: randomUUID(),
    ...names,
    // Where nothing is sent to an address, none that was typed is kept.
    redirect_uris: isRedirected(chosen) ? redirect_uris : [],
    ...chosen,
    ...(hasSecret(chosen) ? { client_secret: randomSecret() } : undefined),
  };
}

function writesOf(visit: Visit, metadata: ClientMetadata): Omit<Write, 'subject'>[] {
  const { id } = visit.account;
  return [
    // Of any number at once each sees those before it.
    { purpose: 'keep', apart: true, statement: lockOwner(id) },
    ...saveClient(metadata).map((statement) => ({ purpose: 'keep' as const, statement })),
    { purpose: 'keep', once: true, statement: addOwnerOfNew(metadata.client_id, id) },
    { purpose: 'keep', statement: told(visit, 'client_made', { clientId: metadata.client_id }) },
  ];
}

function groupsFor({ account, ctx, services }: Visit, scopes: string[]): ScopeGroup[] {
  return scopeGroups(services.resourceServers, services.config.issuer, {
    accountId: account.id,
    services: [],
    chosen: scopes,
    language: languageOf(ctx),
  });
}

function page(visit: Visit, typed: Typed, scopes: string[], problems: Problem[] = []): void {
  show(visit, 'developer/new-client', {
    typed,
    places: PLACES,
    groups: groupsFor(visit, scopes),
    problems,
    ...(problems.length ? { problem: 'developer.problems' } : undefined),
  });
}

/** The answer itself has the secret: it is in no address, and nothing keeps it for a next page. */
function answer(visit: Visit, metadata: ClientMetadata, place: Place): void {
  const { client_id: id, client_secret: secret } = metadata;
  showClient(visit, { id, metadata }, 'client-made', {
    place,
    at: pathOf(id),
    ...(secret === undefined ? undefined : { secret, sealed: sealForFile(visit, id, secret) }),
  });
}
