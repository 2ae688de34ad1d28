import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Database } from '../../platform/database.ts';
import { nearestRedirectUri, presentable } from '../clients/redirect-difference.ts';
import { knownAccount } from '../session/accounts.ts';
import { owesFactor } from '../session/strength.ts';

/**
 * Owns what the page of a protocol error says to who looks after the client and is signed in at this browser: what was received, and what is
 * registered. To nobody else: whoever follows a link would read what its author wrote.
 */
export async function tellOwner(ctx: KoaContextWithOIDC, database: Database): Promise<void> {
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
