import type { ClaimsParameterMember, KoaContextWithOIDC, Account as OidcAccount } from 'oidc-provider';
import { claimsOf } from '../accounts/claims.ts';
import { findAccount } from '../accounts/store.ts';
import type { Database } from '../platform/database.ts';

/** Tells the library who a subject is. @returns undefined for an account that is gone or disabled. */
export function createFindAccount(database: Database) {
  return async (_ctx: KoaContextWithOIDC, sub: string): Promise<OidcAccount | undefined> => {
    const account = await findAccount(database, sub);
    return (
      account && {
        accountId: account.id,
        // The library keeps those that the scopes allow.
        async claims(_use: string, _scope: string, _claims: { [claim: string]: null | ClaimsParameterMember }, _rejected: string[]) {
          return claimsOf(account) as { sub: string };
        },
      }
    );
  };
}
