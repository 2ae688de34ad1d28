import { randomUUID } from 'node:crypto';
import { findOwnedClient } from '../../oauth/clients/ownership.ts';
import { rememberedOnce } from '../../oauth/store/records.ts';
import type { Write } from '../../oauth/store/unit-of-work.ts';
import { backTo, type Visit } from '../../pages/own-pages.ts';
import { HOUR } from '../../platform/clock.ts';
import { pathOf } from './owned.ts';

/**
 * Owns that a form makes one client. The form carries, sealed, the id that its client will have. A second press gets the first answer again,
 * with the secret (http/presses.ts). A form that is sent later is led to the client that it made before, without the secret, and makes none.
 */

const GOOD_SECONDS = 4 * HOUR;

type Sealed = { id: string; until: number };

/** For the form. */
export function sealCreation({ account, services }: Visit): string {
  const sealed: Sealed = { id: randomUUID(), until: Date.now() + GOOD_SECONDS * 1000 };
  return services.keyRing.encrypt(JSON.stringify(sealed), contextOf(account.id));
}

/** The id of the client that a form is to make. @returns undefined for what we have not sealed for this person, or too long ago. */
export function creationOf({ account, services }: Visit, form: URLSearchParams): string | undefined {
  try {
    const { id, until } = JSON.parse(services.keyRing.decrypt(form.get('creation') ?? '', contextOf(account.id))) as Sealed;
    return until > Date.now() ? id : undefined;
  } catch {
    return undefined;
  }
}

/** To be written with the client, before it: a second time nothing is. */
export function onlyOnce(id: string): Omit<Write, 'subject'> {
  return { purpose: 'keep', apart: true, once: true, statement: rememberedOnce(JSON.stringify(['creation', id]), GOOD_SECONDS) };
}

/** Leads to the client that a form has made already. @returns whether there is one. */
export async function leadToMade(visit: Visit, id: string): Promise<boolean> {
  if (!(await findOwnedClient(visit.services.database, visit.account.id, id))) return false;
  backTo(visit, `${pathOf(id)}?made`, false);
  return true;
}

const contextOf = (accountId: string) => `creation of a client ${accountId}`;
