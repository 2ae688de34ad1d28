import type { Context } from 'koa';
import type { Client, Grant } from 'oidc-provider';
import { recordEvent } from '../../../audit/events.ts';
import { supported } from '../../../http/language.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { visitorOf } from '../../../http/visitor.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import { hasFreshProof, type Proofs } from '../../../oauth/session/session-proofs.ts';
import { securityLetter } from '../../../people/security-letters.ts';
import type { Account } from '../../../people/store.ts';
import { MINUTE } from '../../../platform/clock.ts';
import type { Database } from '../../../platform/database.ts';
import type { KeyRing } from '../../../platform/secrets.ts';
import { type Identity, identityAt } from '../identities.ts';
import { linkIdentity, type Outcome } from '../linking.ts';
import type { UpstreamProvider } from '../providers.ts';
import { UpstreamError } from '../upstream-error.ts';
import { type Arrival, beginVisit, endVisit, redeem, type UpstreamVisit } from '../visits.ts';
import type { Reach } from './service-scopes.ts';

/**
 * Owns a user's visit to a provider for a client that acts for the user there. It covers the start, the validation of the answer, and what
 * is stored.
 */

export type Vault = { database: Database; keyRing: KeyRing; issuer: string };

/**
 * Begins a visit for everything that the user allowed the client there. @param accountId the account whose link it is, or will be. @returns
 * the address to send the browser to. @throws UpstreamError, AppError 429
 */
export async function sendForApp(
  { database, keyRing, issuer }: Vault,
  {
    provider,
    allowed,
    accountId,
    ...visit
  }: { provider: UpstreamProvider; allowed: Reach; accountId: string; returnTo: string; bound: string; carried?: Record<string, unknown> },
): Promise<string> {
  await limitRate(database, LIMITS.linksOfAccount, accountId);
  const identity = await identityAt(database, accountId, provider.id);
  return beginVisit(database, keyRing, {
    ...visit,
    issuer,
    provider,
    scopes: allowed.upstreamScopes,
    offline: true,
    // A user with several accounts at the provider then sees the linked one.
    ...(identity?.details.email ? { loginHint: identity.details.email } : undefined),
  });
}

/** @returns the name by which the user knows the linked account; empty without a link or a name. */
export function accountThere(identity: Identity | undefined): string {
  const { email, username, name } = identity?.details ?? {};
  return [email, username, name].map((text) => displayName(text, '')).find(Boolean) ?? '';
}

/**
 * `another_account`: not the linked one. `taken`: linked to another user. `too_much`: it allows more than the user allowed. `lost`: a link
 * ended in the meantime.
 */
export type ConnectRefusal = 'another_account' | 'taken' | 'too_much' | 'lost';

/** Why a visit brought nothing. Each value has a sentence `connect.problem.<value>` in views/messages. */
export type ConnectProblem = UpstreamError['kind'] | ConnectRefusal;

const PROBLEMS: ReadonlySet<unknown> = new Set<ConnectProblem>([
  'refused',
  'unavailable',
  'untrustworthy',
  'another_account',
  'taken',
  'too_much',
  'lost',
]);

/** @returns the problem that the address names; undefined for any other text, since anyone can write the address. */
export const problemIn = (query: Record<string, unknown>): ConnectProblem | undefined =>
  PROBLEMS.has(query['problem']) ? (query['problem'] as ConnectProblem) : undefined;

/** What a browser brought back: the provider's answer, or why there is none. */
export type Brought = { visit: UpstreamVisit } & ({ arrival: Arrival } | { problem: ConnectProblem });

/**
 * Ends a visit. @param query the query with which the browser called our callback. @returns undefined for a visit that is over or belongs
 * to another browser; the provider is not contacted then.
 */
export async function bringBack({ database, keyRing, issuer }: Vault, query: string, bound: string): Promise<Brought | undefined> {
  const visit = await endVisit(database, keyRing, query, bound);
  if (!visit) return undefined;
  try {
    return { visit, arrival: await redeem(keyRing, issuer, visit, query) };
  } catch (error) {
    if (error instanceof UpstreamError) return { visit, problem: error.kind };
    throw error;
  }
}

/**
 * Stores what a provider issued for one client, in one transaction. A signed-in user who just returned from the provider has proven the
 * account there, so this also makes the link. If the tokens allow more than the user allowed the client, nothing is stored.
 * @returns why nothing was stored; undefined on success.
 */
export async function keepConnection(
  vault: Vault,
  ctx: Context,
  arrival: Arrival,
  {
    account,
    client,
    grant,
    allowed,
    session,
  }: { account: Account; client: Client; grant: Grant; allowed: Reach; session: Proofs & { amr?: string[] | undefined } },
): Promise<ConnectRefusal | undefined> {
  const { provider, ...brought } = arrival;
  if (!opened(brought.tokens.scope).every((scope) => allowed.upstreamScopes.includes(scope))) return 'too_much';
  const eventOf = (type: 'identity_linked' | 'service_connected', detail: Record<string, string[]> = {}) =>
    recordEvent(visitorOf(ctx), {
      type,
      accountId: account.id,
      clientId: client.clientId,
      detail: { provider: provider.id, ...detail },
    });
  const language = supported(account.locale ?? '');
  const about = { provider: provider.name, change: 'linked' } as const;
  const from = { ctx, issuer: vault.issuer, keyRing: vault.keyRing, account, language };
  const outcome = await linkIdentity(vault, {
    accountId: account.id,
    brought: { ...brought, providerId: provider.id },
    grantId: grant.jti,
    // A link existed when the user left, and using it needs no proof. If it was deleted in the meantime, a new link does need one.
    mayLink: () => !provider.settings.signIn || hasFreshProof(session, LEISURE_SECONDS),
    along: (before) => [
      eventOf('service_connected', { scopes: allowed.scopes }),
      ...(before ? [] : [eventOf('identity_linked'), ...securityLetter(from, 'identity_changed', 'identity_linked', about)]),
    ],
  });
  return REFUSALS[outcome];
}

const REFUSALS: Record<Outcome, ConnectRefusal | undefined> = {
  linked: undefined,
  kept: undefined,
  taken: 'taken',
  another: 'another_account',
  refused: 'lost',
};

/** As long as a visit to a provider may take. */
const LEISURE_SECONDS = 10 * MINUTE;

/** `openid` gives no access at the provider: it only requests an ID token. */
const opened = (scope: string) => scope.split(' ').filter((word) => word && word !== 'openid');
