import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { endAudience } from '../../../oauth/store/audiences.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, type OwnPage, recordOwnEvent } from '../../../pages/own-pages.ts';
import { COUNTED_AT_MOST, countAudience } from './affected.ts';
import { apiProblem } from './api-judgement.ts';
import { changeApi, deleteApi } from './api-ownership.ts';
import { API_LIMITS, apiFields, fieldOf, JWT_OPTIONS } from './apis.ts';
import { apiPath, limitApiChanges, ownApi, showApi } from './owned-api.ts';

/**
 * Owns an API's name, its token settings and its deletion. The identifier cannot change, because tokens and other servers' settings contain
 * it.
 */

export const api: OwnPage = {
  recent: true,

  async show(visit) {
    const own = await ownApi(visit);
    showApi(visit, own, 'api', { fields: own, options: JWT_OPTIONS });
  },

  async submit(visit, form) {
    const own = await ownApi(visit);
    await limitApiChanges(visit);
    const fields = apiFields(form, own);
    const wrong = apiProblem(fields);
    if (wrong)
      return showApi(visit, own, 'api', { fields, options: JWT_OPTIONS, wrong: fieldOf(wrong), problem: wrong, values: API_LIMITS });
    const changes = (
      ['name', 'nameKo', 'nameEn', 'tokenFormat', 'jwtAlgorithm', 'jwtType', 'accessTokenTtlSeconds', 'resourceRequired'] as const
    ).filter((field) => own[field] !== fields[field]);
    if (changes.length)
      await writeTogether(visit.app.database, [
        { purpose: 'keep', once: true, statement: changeApi(visit.account.id, { ...fields, id: own.id }) },
        { purpose: 'keep', statement: recordOwnEvent(visit, 'resource_server_changed', { detail: { resource: own.identifier, changes } }) },
      ]);
    backTo(visit, apiPath(own.id));
  },
};

export const deletedApi: OwnPage = {
  recent: true,

  async show(visit) {
    const own = await ownApi(visit);
    // The count scans every stored token of the audience.
    await limitRate(visit.app.database, LIMITS.audienceCounts, visit.account.id);
    const affected = await countAudience(visit.app.database, own.identifier);
    showApi(visit, own, 'delete-api', { affected, most: COUNTED_AT_MOST });
  },

  /** `certain` is the confirmation checkbox. */
  async submit(visit, form) {
    const { account, app } = visit;
    const own = await ownApi(visit);
    await limitApiChanges(visit);
    if (form.get('certain') !== 'yes') return showApi(visit, own, 'delete-api', { problem: 'developer.apis.not_certain' });
    await writeTogether(app.database, [
      { purpose: 'keep', once: true, statement: deleteApi(account.id, own.id) },
      { purpose: 'keep', statement: recordOwnEvent(visit, 'resource_server_deleted', { detail: { resource: own.identifier } }) },
    ]);
    await endAudience(app.database, own.identifier);
    backTo(visit, '/developer/apis');
  },
};
