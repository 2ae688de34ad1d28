import type { Grant, KoaContextWithOIDC } from 'oidc-provider';
import { FIRST_PARTY_CLIENT } from '../clients/first-party.ts';
import type { Database } from '../platform/database.ts';
import { newestGrant } from '../protocol-store/grants.ts';

/**
 * Finds what a person has allowed a client already: in this browser, or anywhere else. What somebody allowed counts for them and not
 * for a browser, so it is asked for once.
 */
export function createLoadExistingGrant(database: Database) {
  return async ({ oidc }: KoaContextWithOIDC): Promise<Grant | undefined> => {
    const { session, client, provider, result } = oidc;
    if (!session?.accountId || !client) return undefined;
    const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
    const here = known ? await provider.Grant.find(known) : undefined;
    if (here) return here;
    const elsewhere = await newestGrant(database, session.accountId, client.clientId);
    if (elsewhere) return provider.Grant.find(elsewhere);
    if (client.clientId !== FIRST_PARTY_CLIENT) return undefined;
    // Our own pages need no leave to know who is in front of them.
    const own = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
    own.addOIDCScope('openid');
    await own.save();
    return own;
  };
}
