import { DEFAULT_JWT_CHOICES, JWT_TYPES, SIGNING_ALGORITHMS } from '../../../oauth/clients/signing-algorithms.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, type OwnPage, recordOwnEvent, show, type Visit } from '../../../pages/own-pages.ts';
import { timeOrderedId } from '../../../platform/secrets.ts';
import { isUniqueViolation } from '../../../platform/sql-errors.ts';
import { lockOwner } from '../clients/owned-clients.ts';
import { apiProblem, identifierProblem, LIFETIME_SECONDS } from './api-judgement.ts';
import { isIdentifierTaken, listOwnedApis, MOST_APIS, makeApi, type OwnedApi } from './api-ownership.ts';
import { apiPath, limitApiChanges } from './owned-api.ts';

/** Owns the list of an owner's APIs, and the form that adds one. */

export const apis: OwnPage = {
  async show(visit) {
    const { account, app } = visit;
    show(visit, 'developer/apis', { apis: await listOwnedApis(app.database, account.id), most: MOST_APIS });
  },
};

export const newApi: OwnPage = {
  recent: true,

  async show(visit) {
    page(visit, {
      identifier: '',
      name: '',
      nameKo: null,
      nameEn: null,
      tokenFormat: 'opaque',
      ...DEFAULT_JWT_CHOICES,
      accessTokenTtlSeconds: 3_600,
      resourceRequired: false,
    });
  },

  async submit(visit, form) {
    const { account, app } = visit;
    const { database, config } = app;
    await limitApiChanges(visit);
    const api = { id: timeOrderedId(), identifier: form.get('identifier') ?? '', ...apiFields(form) };
    const wrong = identifierProblem(api.identifier, config.issuer) ?? apiProblem(api);
    if (wrong) return page(visit, api, wrong);
    let problem = (await isIdentifierTaken(database, api.identifier)) ? 'developer.apis.identifier_taken' : undefined;
    try {
      const made =
        !problem &&
        (await writeTogether(database, [
          { purpose: 'keep', apart: true, statement: lockOwner(account.id) },
          { purpose: 'keep', once: true, statement: makeApi(account.id, api) },
          { purpose: 'keep', statement: recordOwnEvent(visit, 'resource_server_made', { detail: { resource: api.identifier } }) },
        ]));
      // Another owner may have taken the identifier since the check. Otherwise the quota is reached.
      if (!made)
        problem ??= (await isIdentifierTaken(database, api.identifier)) ? 'developer.apis.identifier_taken' : 'developer.apis.quota';
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      problem = 'developer.apis.identifier_taken';
    }
    if (problem) return page(visit, api, problem);
    backTo(visit, apiPath(api.id, '/scopes'));
  },
};

/** @returns the fields of an API's form as typed. @param before the values of fields that the form does not have. */
export function apiFields(
  form: URLSearchParams,
  before: Pick<OwnedApi, 'jwtAlgorithm' | 'jwtType'> = DEFAULT_JWT_CHOICES,
): Omit<OwnedApi, 'id' | 'identifier'> {
  const seconds = form.get('lifetime') ?? '';
  return {
    name: (form.get('name') ?? '').trim(),
    nameKo: (form.get('name_ko') ?? '').trim() || null,
    nameEn: (form.get('name_en') ?? '').trim() || null,
    tokenFormat: form.get('format') ?? '',
    jwtAlgorithm: form.get('algorithm') || before.jwtAlgorithm,
    jwtType: form.get('type') || before.jwtType,
    accessTokenTtlSeconds: /^\d{1,6}$/.test(seconds) ? Number(seconds) : Number.NaN,
    resourceRequired: form.get('resource') === 'required',
  };
}

/** @returns the field that a problem is about: the last part of its key. */
export const fieldOf = (problem: string): string => problem.slice(problem.lastIndexOf('.') + 1);

/** The choices of an API's form. */
export const JWT_OPTIONS = { algorithms: SIGNING_ALGORITHMS, types: JWT_TYPES };

/** The limits that the sentences of problems mention. */
export const API_LIMITS = { ...LIFETIME_SECONDS, apis: MOST_APIS };

function page(visit: Visit, api: Omit<OwnedApi, 'id'>, problem?: string): void {
  show(visit, 'developer/new-api', {
    fields: api,
    options: JWT_OPTIONS,
    ...(problem && { problem, wrong: fieldOf(problem) }),
    values: API_LIMITS,
  });
}
