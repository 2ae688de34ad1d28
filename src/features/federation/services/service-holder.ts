import type { Context } from 'koa';
import type { Client, Grant } from 'oidc-provider';
import type { App } from '../../../oauth/app.ts';
import { grantedScopes } from '../../../oauth/consent/decision.ts';
import { knownAccount } from '../../../oauth/session/accounts.ts';
import { owesFactor } from '../../../oauth/session/strength.ts';
import { newestGrant } from '../../../oauth/store/grants.ts';
import type { Account } from '../../../people/store.ts';

/**
 * Owns the question for which user a client acts. The answer comes from an access token of ours, or from the session of the browser that
 * shows the client's page.
 */

export type Holder = {
  client: Client;
  account: Account;
  /** Undefined when the user has allowed the client nothing. */
  grant: Grant | undefined;
  /** The allowed scopes that may be used now. */
  scopes: string[];
};

// The format of the library's opaque tokens. Any other text needs no query.
const OPAQUE_TOKEN = /^[\w-]{43}$/;

/**
 * @returns the user and client of an access token for the server's own API. Undefined for a token that is inactive, is for another API, or
 * was issued to a client for itself. Undefined also for a token bound to a key, because here the sender does not prove the key (RFC 9449
 * section 7.2).
 */
export async function holderOfToken(
  { provider, database }: Pick<App, 'provider' | 'database'>,
  token: string,
): Promise<Holder | undefined> {
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

/**
 * @returns the signed-in user of this browser, for a first-party client without a token; undefined without a user, or when a factor is
 * still required.
 */
export async function holderOfSession(
  { provider, database }: Pick<App, 'provider' | 'database'>,
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
