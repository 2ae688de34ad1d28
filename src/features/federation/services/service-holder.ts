import type { Context } from 'koa';
import type { Client, Grant } from 'oidc-provider';
import { grantedScopes } from '../../../oauth/consent/decision.ts';
import { knownAccount } from '../../../oauth/session/accounts.ts';
import { owesFactor } from '../../../oauth/session/strength.ts';
import { newestGrant } from '../../../oauth/store/grants.ts';
import type { FirstParty } from '../../../pages/first-party.ts';
import type { Account } from '../../../people/store.ts';

/** Owns the question for whom an app acts, by an access token of ours or by the session of the browser that its page is open in. */

export type Holder = {
  client: Client;
  account: Account;
  /** Undefined when the person has allowed the app nothing. */
  grant: Grant | undefined;
  /** What is allowed by it, and may be used now. */
  scopes: string[];
};

// How the library writes the opaque ones: what looks otherwise is asked nobody about.
const OPAQUE_TOKEN = /^[\w-]{43}$/;

/**
 * Whose token of the server's own API this is. @returns undefined for one that is not alive, is meant for another API, was issued to an app for
 * itself, or is bound to a key, whose holder would be anybody who found it (RFC 9449 section 7.2).
 */
export async function holderOfToken({ provider, database }: FirstParty, token: string): Promise<Holder | undefined> {
  const found = OPAQUE_TOKEN.test(token) ? await provider.AccessToken.find(token) : undefined;
  if (!found || found.aud !== undefined || found.jkt || found['x5t#S256']) return undefined;
  const [client, account, grant] = await Promise.all([
    provider.Client.find(String(found.clientId)),
    knownAccount(database, found.accountId),
    found.grantId ? provider.Grant.find(found.grantId) : undefined,
  ]);
  if (!client || !account || account.deleteAfter || grant?.clientId !== client.clientId || grant?.accountId !== account.id)
    return undefined;
  return { client, account, grant, scopes: grantedScopes(grant, undefined).filter((scope) => found.scopes.has(scope)) };
}

/** Who is signed in at this browser, for an app of ours that has no token. @returns undefined for nobody, or when a factor is still owed. */
export async function holderOfSession(
  { provider, database }: Omit<FirstParty, 'config'>,
  ctx: Context,
  client: Client,
): Promise<Holder | undefined> {
  const session = await provider.Session.get(ctx as never);
  const account = session.accountId ? await knownAccount(database, session.accountId) : undefined;
  if (!account || account.deleteAfter || (await owesFactor(database, session))) return undefined;
  const newest = await newestGrant(database, account.id, String(client.clientId));
  const grant = newest ? await provider.Grant.find(newest) : undefined;
  return { client, account, grant, scopes: grantedScopes(grant, undefined) };
}
