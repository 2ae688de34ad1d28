import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { expiry, type Held, heldBy, listHeld, seal, unseal } from './held-tokens.ts';
import type { UpstreamProvider } from './providers.ts';
import { endHeld, isUnderWay, renew } from './refresh.ts';
import type { UpstreamTokens } from './upstream.ts';

/**
 * Owns what providers gave for people: sealed under the key ring, one row for sign-in and one for each app that may act for its person.
 * An app never gets what can do more than its person allowed it, and nobody gets a refresh token.
 */

/** For which person and app, and how far. Scopes are the provider's. */
export type Reach = {
  accountId: string;
  /** What the person allowed the app. */
  grantId: string;
  /** What is asked for. */
  needed: string[];
  /** All that the person allowed the app at this provider: a token that opens more is not for it. */
  allowed: string[];
};

/** `not_linked`: the person has no account there. `not_connected`: nothing was given for this app, or not enough. `ended`: nothing is given for it any more. */
export type Standing = 'ready' | 'not_linked' | 'not_connected' | 'ended';

export type Reached =
  | { kind: 'token'; accessToken: string; expiresInSeconds: number | undefined; scope: string }
  | { kind: 'interaction_required'; reason: Exclude<Standing, 'ready'> }
  | { kind: 'unavailable' };

/**
 * The writing of what a provider gave: at sign-in, or for one app. It takes the place of what was there for the same; but many a provider
 * gives its refresh token the first time alone, and that one stays.
 * @param grantId null for what sign-in brought.
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

/** Whether an app would get a token now. Nobody is asked but the database. */
export async function standing(database: Database, { providerId, ...reach }: Reach & { providerId: string }): Promise<Standing> {
  const found = await choose(database, providerId, reach);
  return typeof found === 'string' ? found : 'ready';
}

/**
 * A token by which an app acts for its person at a provider: what is kept, or a new one that is asked for once for everybody who wants it.
 * It takes less than five seconds. @param refusedToken one that was given out, which the provider did not take: it is not given again.
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
    // What sign-in brought is other apps' too: one app's word does not end it.
    if (held.grantId !== null) await endHeld(database, held);
    return { kind: 'interaction_required', reason: 'ended' };
  }
  // Within its last minute it does for whoever comes while another gets the next.
  if (held.valid && !refused && isUnderWay(database, held)) return open(held);
  if (!(await renew(database, keyRing, provider, { ...held, refreshToken }))) return kept();
  // What came may open more than it did, or be gone again: it is judged like any.
  const now = await choose(database, provider.id, wanted);
  if (typeof now === 'string') return { kind: 'interaction_required', reason: now };
  return now.valid && now.accessToken !== held.accessToken ? open(now) : { kind: 'unavailable' };
}

/** The row that serves: the app's own before what sign-in brought. @returns what is missing when there is none. */
async function choose(database: Database, providerId: string, wanted: Reach): Promise<Held | Exclude<Standing, 'ready'>> {
  const held = await listHeld(database, { ...wanted, providerId });
  if (!held) return 'not_linked';
  const fitting = held.filter(({ scope }) => fits(scope, wanted));
  const alive = fitting.find((row) => !row.ended && (row.valid || row.refreshToken !== null));
  return alive ?? (fitting.length ? 'ended' : 'not_connected');
}

function fits(scope: string, { needed, allowed }: Reach): boolean {
  // `openid` opens nothing of the provider's: it says that there is an ID token.
  const opened = scope.split(' ').filter((word) => word && word !== 'openid');
  return opened.every((word) => allowed.includes(word)) && needed.every((word) => word === 'openid' || opened.includes(word));
}
