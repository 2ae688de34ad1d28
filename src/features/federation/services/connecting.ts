import type { Context } from 'koa';
import type { Client, Grant } from 'oidc-provider';
import { auditEvent } from '../../../audit/events.ts';
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
import { type Arrival, beginVisit, endVisit, redeem, type Visit } from '../visits.ts';
import type { Reach } from './service-scopes.ts';

/** Owns a person's visit to a provider for an app that is to act for them there: how it begins, what is believed of what it brings, what is kept. */

export type Vault = { database: Database; keyRing: KeyRing; issuer: string };

/** Begins it, for all that the app was allowed there. @param account whose link it is, or is to be. @returns where to send the browser. @throws UpstreamError, AppError 429 */
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
    // So that somebody with several accounts there meets the one that is linked.
    ...(identity?.details.email ? { loginHint: identity.details.email } : undefined),
  });
}

/** What the person knows the account there by that is linked; nothing for none, or one that has no such name. */
export function accountThere(identity: Identity | undefined): string {
  const { email, username, name } = identity?.details ?? {};
  return [email, username, name].map((text) => displayName(text, '')).find(Boolean) ?? '';
}

/** `another_account`: not the one that is linked. `taken`: the link of somebody else. `too_much`: it opens more than was allowed. `lost`: something ended meanwhile. */
export type Refusal = 'another_account' | 'taken' | 'too_much' | 'lost';

/** Why a visit brought nothing: each has a sentence, `connect.problem.<it>` in views/messages. */
export type Problem = UpstreamError['kind'] | Refusal;

const PROBLEMS: ReadonlySet<unknown> = new Set<Problem>([
  'refused',
  'unavailable',
  'untrustworthy',
  'another_account',
  'taken',
  'too_much',
  'lost',
]);

/** A problem that is told by an address: whoever writes another word there is told nothing. */
export const problemIn = (query: Record<string, unknown>): Problem | undefined =>
  PROBLEMS.has(query['problem']) ? (query['problem'] as Problem) : undefined;

/** What a browser brought back: what the provider gave, or why it gave nothing. */
export type Brought = { visit: Visit } & ({ arrival: Arrival } | { problem: Problem });

/** Ends a visit. @param query what the browser brought, as our callback got it. @returns undefined for one that is over or not this browser's: nothing was asked then. */
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
 * Keeps what a provider gave for one app, in one transaction. Whoever is signed in here and has just come back from there has proven that the account
 * is theirs, so the link is made with it. A token that opens more than the person allowed the app is nobody's: then nothing is kept.
 * @returns why nothing was kept.
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
): Promise<Refusal | undefined> {
  const { provider, ...brought } = arrival;
  if (!opened(brought.tokens.scope).every((scope) => allowed.upstreamScopes.includes(scope))) return 'too_much';
  const told = (type: 'identity_linked' | 'service_connected', detail: Record<string, string[]> = {}) =>
    auditEvent(visitorOf(ctx), {
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
    // There was a link when they left, which needs no proof to be used, and there is none any more.
    mayLink: () => !provider.settings.signIn || hasFreshProof(session, LEISURE_SECONDS),
    along: (before) => [
      told('service_connected', { scopes: allowed.scopes }),
      ...(before ? [] : [told('identity_linked'), ...securityLetter(from, 'identity_changed', 'identity_linked', about)]),
    ],
  });
  return REFUSALS[outcome];
}

const REFUSALS: Record<Outcome, Refusal | undefined> = {
  linked: undefined,
  kept: undefined,
  taken: 'taken',
  another: 'another_account',
  refused: 'lost',
};

/** As long as a visit to a provider may take. */
const LEISURE_SECONDS = 10 * MINUTE;

/** `openid` opens nothing of the provider's: it says that there is an ID token. */
const opened = (scope: string) => scope.split(' ').filter((word) => word && word !== 'openid');
