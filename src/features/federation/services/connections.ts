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
 * Owns connections: that an app may act for its person at a provider takes the person's word here, which is consent, and the provider's to
 * us, for which its person is sent there once. Which page stands for that is the business of interaction/ and account/,
 * and what comes of the visit connecting.ts's.
 */

export type Connection = {
  provider: UpstreamProvider;
  /** All that the person allowed the app at the provider: what it is asked for, and all that an app may ever hold. */
  allowed: Reach;
  standing: Standing;
};

export type Scopes = { servers: readonly ResourceServer[]; issuer: string };

/** What a client may do for its person at a provider. @returns undefined where it may do nothing: an operator, or the person, has not allowed it. */
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

/** What a request asks for, is allowed, and no provider has given yet. @param asked its scopes. @param done ids of providers that are not asked again. */
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

// Long enough to read the consent page at leisure after signing in.
const LINK_RECENT_SECONDS = 15 * MINUTE;

/** Whether an account elsewhere would be linked, which opens this one from then on, by whoever finds a browser open. */
export function needsNewSignIn(connections: Connection[], session: { past(seconds: number): boolean }): boolean {
  return connections.some(({ standing }) => standing === 'not_linked') && session.past(LINK_RECENT_SECONDS);
}

/** What a person said of connecting in this authorization, as it travels in the interaction's result: at which providers it is settled, one way or the other. */
export type Connected = { done: string[] };

/**
 * What a request still owes a person's way to a provider. One that may show no page owes none: the app gets its code, and learns of it
 * when it wants a token.
 */
export async function owedConnections(database: Database, scopes: Scopes, { oidc }: KoaContextWithOIDC): Promise<Connection[]> {
  const { client, prompts, result, session } = oidc;
  const grant = oidc.entities.Grant;
  const asked = String(oidc.params?.['scope'] ?? '').split(' ');
  // Most requests name none, and cost nothing.
  if (!client || !grant?.jti || !session?.accountId || prompts.has('none') || !providersNamed(scopes.servers, scopes.issuer, asked).length)
    return [];
  const { done = [] } = (result?.['connect'] ?? {}) as Partial<Connected>;
  return remember(`connections of ${grant.jti}`, () => missingConnections(database, scopes, { client, grant, asked, done }));
}

function allowedScopes(grant: Grant): Set<string> {
  const declined = declinedScopes(grant, undefined);
  return new Set(grantedScopes(grant, undefined).filter((name) => !declined.includes(name)));
}
