import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Database } from '../../platform/database.ts';
import { nearestRedirectUri, presentable } from '../clients/redirect-difference.ts';
import { knownAccount } from '../session/accounts.ts';
import { owesFactor } from '../session/strength.ts';

/**
 * Owns what a protocol error page shows to a signed-in owner of the client: the received value and the registered values.
 * Nobody else sees it. The author of a link controls the received value, so the page would show the author's text.
 */
export async function showOwnerFacts(ctx: KoaContextWithOIDC, database: Database): Promise<void> {
  const { client, provider, params } = ctx.oidc;
  const owners = client?.['owners'] as string[] | undefined;
  if (!client || !owners?.length) return;
  const session = ctx.oidc.session ?? (await provider.Session.get(ctx));
  if (!session.accountId || !owners.includes(session.accountId)) return;
  const account = await knownAccount(database, session.accountId);
  if (!account || account.deleteAfter || (await owesFactor(database, session as never))) return;
  const received = params?.['redirect_uri'];
  const registered = client.redirectUris ?? [];
  const differs = typeof received === 'string' && !client.redirectUriAllowed(received);
  ctx.state.forOwner = {
    href: `/developer/clients/${encodeURIComponent(client.clientId)}/errors`,
    ...(differs ? { received: presentable(received, registered), nearest: nearestRedirectUri(received, registered) } : undefined),
  };
}
