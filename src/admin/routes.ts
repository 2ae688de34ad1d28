import { type OwnPage, type OwnServices, ownPages, type Visit } from '../authorization-server/own-pages.ts';
import { mayDo } from '../authorization-server/permissions.ts';
import { AppError } from '../platform/errors.ts';
import { KeyRing } from '../platform/secrets.ts';
import { overview } from './overview.ts';

/** Owns the pages and the API by which operators run the place. Who may do what is authorization-server/permissions.ts's to say. */

const PAGES: Record<string, OwnPage> = {
  '/admin': overview,
};

export function adminRoutes(given: Omit<OwnServices, 'keyRing'>) {
  const services = { ...given, keyRing: new KeyRing(given.config.dataEncryptionKeys) };
  return ownPages(PAGES, services, onlyOperators).routes();
}

/** Whoever may not even look is told that there is nothing here. */
async function onlyOperators({ account }: Visit): Promise<void> {
  if (!mayDo(account.role, 'admin:read')) throw new AppError('not_found', { status: 404, reason: 'no operator' });
}
