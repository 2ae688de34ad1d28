import type { ClaimsParameterMember, KoaContextWithOIDC, Account as OidcAccount } from 'oidc-provider';
import { claimsOf } from '../../people/claims.ts';
import { type Account, accountFromRow, findAccount } from '../../people/store.ts';
import type { Database } from '../../platform/database.ts';
import { recallAccount } from '../store/accounts.ts';

/** The account as the library sees it, with the one member that the interaction policy reads. */
export type SignedInAccount = OidcAccount & { toBeDeleted: boolean };

/** Tells the library which account a subject is. @returns undefined for a deleted or disabled account. */
export function createFindAccount(database: Database) {
  return async (ctx: KoaContextWithOIDC, sub: string): Promise<SignedInAccount | undefined> => {
    const account = await knownAccount(database, sub);
    return (
      account && {
        accountId: account.id,
        toBeDeleted: account.deleteAfter !== null,
        // The library filters these: it sends the claims that the scopes allow or the `claims` parameter names.
        async claims(use: string, _scope: string, named: { [claim: string]: null | ClaimsParameterMember }, _rejected: string[]) {
          const claims = claimsOf(account) as { sub: string };
          return use === 'id_token' && ctx.oidc.client?.['id_token_claims'] === 'minimal' ? onlyNamed(claims, named) : claims;
        },
      }
    );
  };
}

/**
 * A client may choose small ID tokens and read the rest from userinfo (client member `id_token_claims`). The claims that it names one by
 * one stay.
 */
function onlyNamed(claims: { sub: string }, named: Record<string, unknown>): { sub: string } {
  return Object.fromEntries(Object.entries(claims).filter(([claim]) => claim === 'sub' || Object.hasOwn(named, claim))) as { sub: string };
}

/** @returns the account that an earlier statement of this request has read; otherwise reads it by `id`. */
export async function knownAccount(database: Database, id: string): Promise<Account | undefined> {
  const along = recallAccount(id);
  if (!along) return findAccount(database, id);
  const row = await along;
  return row && accountFromRow(row);
}
