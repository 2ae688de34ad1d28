import { LIMITS, limitRate } from '../../http/rate-limit.ts';
import { displayName } from '../../oauth/clients/display-name.ts';
import { initialOf } from '../../oauth/consent/client-facts.ts';
import { findOwnedApi, type OwnedApiWithScopes } from '../../oauth/scopes/api-ownership.ts';
import { named, show, type Visit } from '../../pages/own-pages.ts';
import { AppError } from '../../platform/errors.ts';

/** The frame that all pages of one API share. */

/** The path of an API's page in the portal. */
export const apiPath = (id: string, page = ''): string => `/developer/apis/${id}${page}`;

/** The API that a page's address names. @throws AppError 404, for another owner's as for one that there is not. */
export async function ownApi(visit: Visit): Promise<OwnedApiWithScopes> {
  const api = await findOwnedApi(visit.services.database, visit.account.id, named(visit, 'api'));
  if (!api) throw new AppError('not_found', { status: 404, reason: 'no API of theirs' });
  return api;
}

/** Answers with a page of an API. @param view below `views/developer/`. @param data `problem` is why a form changed nothing. */
export function showApi(
  visit: Visit,
  api: OwnedApiWithScopes,
  view: string,
  data: Record<string, unknown> & { problem?: string } = {},
): void {
  const shownName = displayName(api.name, api.identifier);
  show(visit, `developer/${view}`, { ...data, api: { ...api, shownName, initial: initialOf(shownName) } });
}

/** Each change of an API has every node read its scopes again. @throws AppError 429 */
export async function limitApiChanges({ account, services }: Visit): Promise<void> {
  await limitRate(services.database, LIMITS.apiChanges, account.id);
}
