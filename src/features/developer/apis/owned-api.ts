import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import { initialOf } from '../../../oauth/consent/client-facts.ts';
import { named, show, type Visit } from '../../../pages/own-pages.ts';
import { AppError } from '../../../platform/errors.ts';
import { findOwnedApi, type OwnedApiWithScopes } from './api-ownership.ts';

/** Owns the frame that all pages of one API share. */

/** @returns the path of an API's page in the portal. */
export const apiPath = (id: string, page = ''): string => `/developer/apis/${id}${page}`;

/** @returns the API that the page's address names. @throws AppError 404, alike for another owner's API and an unknown one. */
export async function ownApi(visit: Visit): Promise<OwnedApiWithScopes> {
  const api = await findOwnedApi(visit.app.database, visit.account.id, named(visit, 'api'));
  if (!api) throw new AppError('not_found', { status: 404, reason: 'no API of theirs' });
  return api;
}

/** Renders a page of an API. @param view path below `views/developer/`. @param data `problem` says why a form changed nothing. */
export function showApi(
  visit: Visit,
  api: OwnedApiWithScopes,
  view: string,
  data: Record<string, unknown> & { problem?: string } = {},
): void {
  const shownName = displayName(api.name, api.identifier);
  show(visit, `developer/${view}`, { ...data, api: { ...api, shownName, initial: initialOf(shownName) } });
}

/** Limited, because each change makes every node reload the scopes. @throws AppError 429 */
export async function limitApiChanges({ account, app }: Visit): Promise<void> {
  await limitRate(app.database, LIMITS.apiChanges, account.id);
}
