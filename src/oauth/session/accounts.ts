import type { ClaimsParameterMember, KoaContextWithOIDC, Account as OidcAccount } from 'oidc-provider';
import { claimsOf } from '../../people/claims.ts';
import { type Account, accountFromRow, findAccount } from '../../people/store.ts';
import type { Database } from '../../platform/database.ts';
import { recallAccount } from '../store/accounts.ts';

/** What the library knows of a person, and the policy asks. */
export type SignedInAccount = OidcAccount & { toBeDeleted: boolean };

/** Tells the library who a subject is. @returns undefined for an account that is gone or disabled. */
export function createFindAccount(database: Database) {
  return async (ctx: KoaContextWithOIDC, sub: string): Promise<SignedInAccount | undefined> => {
    const account = await knownAccount(database, sub);
    return (
      account && {
        accountId: account.id,
        toBeDeleted: account.deleteAfter !== null,
        // The library keeps those that the scopes allow, and those that the `claims` parameter names.
        async claims(use: string, _scope: string, named: { [claim: string]: null | ClaimsParameterMember }, _rejected: string[]) {
          const claims = claimsOf(account) as { sub: string };
          return use === 'id_token' && ctx.oidc.client?.['id_token_claims'] === 'minimal' ? onlyNamed(claims, named) : claims;
        },
      }
    );
  };
}

/** A client may want small ID tokens, and ask userinfo for the rest (client member `id_token_claims`). What it names one by one it still gets. */
function onlyNamed(claims: { sub: string }, named: Record<string, unknown>): { sub: string } {
  return Object.fromEntries(Object.entries(claims).filter(([claim]) => claim === 'sub' || Object.hasOwn(named, claim))) as { sub: string };
}

/** The account that came along with what the request has read already, or else the one that is asked for. */
export async function knownAccount(database: Database, id: string): Promise<Account | undefined> {
  const along = recallAccount(id);
  if (!along) return findAccount(database, id);
  const row = await along;
  return row && accountFromRow(row);
}
