import { randomUUID } from 'node:crypto';
import { rememberedOnce } from '../../../oauth/store/records.ts';
import type { Write } from '../../../oauth/store/unit-of-work.ts';
import { backTo, type Visit } from '../../../pages/own-pages.ts';
import { HOUR } from '../../../platform/clock.ts';
import { pathOf } from './owned.ts';
import { findOwnedClient } from './owned-clients.ts';

/**
 * Owns the rule that a form creates at most one client. The form carries, sealed, the id of its future client. A second press gets the
 * first response again, with the secret (http/presses.ts). A later submission leads to the existing client, without the secret, and creates
 * none.
 */

const GOOD_SECONDS = 4 * HOUR;

type Sealed = { id: string; until: number };

/** @returns the sealed id for the form. */
export function sealCreation({ account, app }: Visit): string {
  const sealed: Sealed = { id: randomUUID(), until: Date.now() + GOOD_SECONDS * 1000 };
  return app.keyRing.encrypt(JSON.stringify(sealed), contextOf(account.id));
}

/** @returns the id of the client that a form creates; undefined for a value that is not sealed for this user, or is too old. */
export function creationOf({ account, app }: Visit, form: URLSearchParams): string | undefined {
  try {
    const { id, until } = JSON.parse(app.keyRing.decrypt(form.get('creation') ?? '', contextOf(account.id))) as Sealed;
    return until > Date.now() ? id : undefined;
  } catch {
    return undefined;
  }
}

/** @returns the write that must precede the client's: a second time it fails the whole transaction. */
export function onlyOnce(id: string): Omit<Write, 'subject'> {
  return { purpose: 'keep', apart: true, once: true, statement: rememberedOnce(JSON.stringify(['creation', id]), GOOD_SECONDS) };
}

/** Redirects to the client that a form has already created. @returns whether there is one. */
export async function leadToMade(visit: Visit, id: string): Promise<boolean> {
  if (!(await findOwnedClient(visit.app.database, visit.account.id, id))) return false;
  backTo(visit, `${pathOf(id)}?made`, false);
  return true;
}

const contextOf = (accountId: string) => `creation of a client ${accountId}`;
