import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { expiry, type Held, heldBy, listHeld, seal, unseal } from './held-tokens.ts';
import type { UpstreamProvider } from './providers.ts';
import { endHeld, isUnderWay, renew } from './refresh.ts';
import type { UpstreamTokens } from './upstream.ts';

/**
 * Owns the tokens that providers issued for users, sealed under the key ring. One row is for the sign-in, and one for each client that may
 * act for the user. A client never gets a token that exceeds the user's consent, and never a refresh token.
 */

/** The user, the grant and the scopes of a request. Scopes are the provider's. */
export type Reach = {
  accountId: string;
  /** The grant under which the user allowed the client to act. */
  grantId: string;
  /** The scopes that the client requests. */
  needed: string[];
  /** Everything that the user allowed the client at this provider. A token with more scopes is not for this client. */
  allowed: string[];
};

/**
 * `not_linked`: the user has no link there. `not_connected`: the provider issued nothing for this client, or not enough. `ended`: the
 * provider issues nothing for it any more.
 */
export type Standing = 'ready' | 'not_linked' | 'not_connected' | 'ended';

export type Reached =
  | { kind: 'token'; accessToken: string; expiresInSeconds: number | undefined; scope: string }
  | { kind: 'interaction_required'; reason: Exclude<Standing, 'ready'> }
  | { kind: 'unavailable' };

/**
 * @returns the statement that stores what a provider issued, at sign-in or for one client. It replaces earlier tokens of the same row. Many
 * providers issue a refresh token only the first time, so an existing one stays if the scope is the same.
 * @param grantId null for the tokens of a sign-in.
 */
export function keepTokens(
  keyRing: KeyRing,
  { providerId, identityId, grantId, tokens }: { providerId: string; identityId: string; grantId: string | null; tokens: UpstreamTokens },
): Statement {
  const id = heldBy(identityId, grantId);
  const { access, refresh } = seal(keyRing, id, tokens);
  return Prisma.sql`
    insert into upstream_token (id, provider_id, identity_id, grant_id, scope, access_token, refresh_token, expires_at)
    values (${id}, ${providerId}, ${identityId}, ${grantId}, ${tokens.scope}, ${access}, ${refresh}, ${expiry(tokens)})
    on conflict (id) do update set scope = excluded.scope, access_token = excluded.access_token,
      refresh_token = coalesce(excluded.refresh_token, case when upstream_token.scope = excluded.scope and upstream_token.ended_at is null then upstream_token.refresh_token end),
      expires_at = excluded.expires_at, refreshed_at = now(), claimed_until = null, ended_at = null`;
}

/** @returns whether a client would get a token now. Reads only the database. */
export async function standing(database: Database, { providerId, ...reach }: Reach & { providerId: string }): Promise<Standing> {
  const found = await choose(database, providerId, reach);
  return typeof found === 'string' ? found : 'ready';
}

/**
 * @returns a token with which a client acts for a user at a provider. It is the stored one, or a new one from one refresh that all callers
 * share. Takes less than five seconds.
 * @param refusedToken a token that the provider did not accept; it is not returned again.
 * @throws DatabaseUnavailable
 */
export async function reach(
  database: Database,
  keyRing: KeyRing,
  provider: UpstreamProvider,
  { refusedToken, ...wanted }: Reach & { refusedToken?: string },
): Promise<Reached> {
  const held = await choose(database, provider.id, wanted);
  if (typeof held === 'string') return { kind: 'interaction_required', reason: held };
  const open = (row: Held): Reached => ({
    kind: 'token',
    accessToken: unseal(keyRing, row.id, row.accessToken),
    expiresInSeconds: row.expiresInSeconds ?? undefined,
    scope: row.scope,
  });
  const refused = refusedToken !== undefined && unseal(keyRing, held.id, held.accessToken) === refusedToken;
  if (held.fresh && !refused) return open(held);
  const kept = (): Reached => (held.valid && !refused ? open(held) : { kind: 'unavailable' });
  const { refreshToken } = held;
  if (refreshToken === null) {
    if (!refused) return kept();
    // Other clients use the sign-in's tokens too: one client's report does not end them.
    if (held.grantId !== null) await endHeld(database, held);
    return { kind: 'interaction_required', reason: 'ended' };
  }
  // Within its last minute, the token still serves callers while another one refreshes it.
  if (held.valid && !refused && isUnderWay(database, held)) return open(held);
  if (!(await renew(database, keyRing, provider, { ...held, refreshToken }))) return kept();
  // The refreshed token may have more scopes, or its row may be deleted: check it like any other.
  const now = await choose(database, provider.id, wanted);
  if (typeof now === 'string') return { kind: 'interaction_required', reason: now };
  return now.valid && now.accessToken !== held.accessToken ? open(now) : { kind: 'unavailable' };
}

/** @returns the row to use, the client's own before the sign-in's; without one, what is missing. */
async function choose(database: Database, providerId: string, wanted: Reach): Promise<Held | Exclude<Standing, 'ready'>> {
  const held = await listHeld(database, { ...wanted, providerId });
  if (!held) return 'not_linked';
  const fitting = held.filter(({ scope }) => fits(scope, wanted));
  const alive = fitting.find((row) => !row.ended && (row.valid || row.refreshToken !== null));
  return alive ?? (fitting.length ? 'ended' : 'not_connected');
}

function fits(scope: string, { needed, allowed }: Reach): boolean {
  // `openid` gives no access at the provider: it only requests an ID token.
  const opened = scope.split(' ').filter((word) => word && word !== 'openid');
  return opened.every((word) => allowed.includes(word)) && needed.every((word) => word === 'openid' || opened.includes(word));
}
