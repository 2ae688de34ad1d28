import type { Client, Grant, KoaContextWithOIDC } from 'oidc-provider';
import { declinedScopes, grantedScopes } from '../../../oauth/consent/decision.ts';
import type { ResourceServer } from '../../../oauth/scopes/resource-servers.ts';
import { remember } from '../../../oauth/store/unit-of-work.ts';
import { MINUTE } from '../../../platform/clock.ts';
import type { Database } from '../../../platform/database.ts';
import { findProvider, type UpstreamProvider } from '../providers.ts';
import { type Standing, standing } from '../vault.ts';
import { mayReach, providersNamed, type Reach, reachOf } from './service-scopes.ts';

/**
 * Owns connections. A client that acts for a user at a provider needs two approvals: the user's consent here, and the provider's
 * authorization of us. For the second, the user visits the provider once.
 * Does not own the pages for it (sign-in/connect.ts and account/connect.ts) or the result of the visit (connecting.ts).
 */

export type Connection = {
  provider: UpstreamProvider;
  /** Everything that the user allowed the client at the provider: we request it there, and a client's token may never exceed it. */
  allowed: Reach;
  standing: Standing;
};

export type Scopes = { servers: readonly ResourceServer[]; issuer: string };

/** @returns what a client may do for a user at a provider; undefined when an operator or the user has allowed nothing. */
export async function connectionAt(
  database: Database,
  providerId: string,
  { client, grant, asked }: { client: Client; grant: Grant; asked?: Iterable<string> },
): Promise<Connection | undefined> {
  const provider = mayReach(client, providerId) ? await findProvider(database, providerId) : undefined;
  if (!provider) return undefined;
  const names = allowedScopes(grant);
  const [allowed, wanted] = [names, new Set(asked ?? names)].map((all) =>
    reachOf(
      provider,
      [...all].filter((name) => names.has(name)),
    ),
  ) as [Reach, Reach];
  if (!wanted.services.length) return undefined;
  const whose = { providerId, accountId: String(grant.accountId), grantId: grant.jti };
  return {
    provider,
    allowed,
    standing: await standing(database, { ...whose, needed: wanted.upstreamScopes, allowed: allowed.upstreamScopes }),
  };
}

/**
 * @returns the connections that a request asks for, that the user allowed, and that the provider has not authorized yet. @param asked the
 * requested scopes. @param done ids of providers not to ask again.
 */
export async function missingConnections(
  database: Database,
  { servers, issuer }: Scopes,
  { client, grant, asked, done }: { client: Client; grant: Grant; asked: string[]; done: string[] },
): Promise<Connection[]> {
  const names = allowedScopes(grant);
  const providers = providersNamed(
    servers,
    issuer,
    asked.filter((name) => names.has(name)),
  ).filter(({ id }) => !done.includes(id));
  const connections = await Promise.all(providers.map(({ id }) => connectionAt(database, id, { client, grant, asked })));
  return connections.filter((connection): connection is Connection => connection !== undefined && connection.standing !== 'ready');
}

// Leaves time to read the consent page after signing in.
const LINK_RECENT_SECONDS = 15 * MINUTE;

/**
 * @returns whether a new link needs another sign-in. The link becomes a way in to this account, so it must not be made by a stranger at an
 * unattended browser.
 */
export function needsNewSignIn(connections: Connection[], session: { past(seconds: number): boolean }): boolean {
  return connections.some(({ standing }) => standing === 'not_linked') && session.past(LINK_RECENT_SECONDS);
}

/** The providers that this authorization has finished with, with or without a connection. It is stored in the interaction's result. */
export type Connected = { done: string[] };

/**
 * @returns the connections that a request still needs from the user. With `prompt=none` there are none: the client gets its code and learns
 * of the missing connection when it requests a token.
 */
export async function owedConnections(database: Database, scopes: Scopes, { oidc }: KoaContextWithOIDC): Promise<Connection[]> {
  const { client, prompts, result, session } = oidc;
  const grant = oidc.entities.Grant;
  const asked = String(oidc.params?.['scope'] ?? '').split(' ');
  // Most requests name no provider and must not cost a query.
  if (!client || !grant?.jti || !session?.accountId || prompts.has('none') || !providersNamed(scopes.servers, scopes.issuer, asked).length)
    return [];
  const { done = [] } = (result?.['connect'] ?? {}) as Partial<Connected>;
  return remember(`connections of ${grant.jti}`, () => missingConnections(database, scopes, { client, grant, asked, done }));
}

function allowedScopes(grant: Grant): Set<string> {
  const declined = declinedScopes(grant, undefined);
  return new Set(grantedScopes(grant, undefined).filter((name) => !declined.includes(name)));
}
