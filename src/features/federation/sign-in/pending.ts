import type { Context } from 'koa';
import { recordEvent } from '../../../audit/events.ts';
import { visitorOf } from '../../../http/visitor.ts';
import type { App } from '../../../oauth/app.ts';
import { persist } from '../../../oauth/internals.ts';
import type { Write } from '../../../oauth/store/unit-of-work.ts';
import { epochSeconds, systemClock } from '../../../platform/clock.ts';
import type { Statement } from '../../../platform/database.ts';
import type { SignInFeature } from '../../../sign-in/feature.ts';
import type { Interaction, Step } from '../../../sign-in/step.ts';
import type { Details } from '../details.ts';
import { findIdentity, identityAt } from '../identities.ts';
import { linking } from '../linking.ts';
import { findProvider } from '../providers.ts';
import type { UpstreamTokens } from '../upstream.ts';

/**
 * Owns an upstream identity that no account has yet. It waits, sealed, in the interaction's stored result, or in the proof by mail of a
 * sign-up. The caller decides which account receives the link.
 */

export type PendingIdentity = {
  providerId: string;
  providerName: string;
  subject: string;
  details: Details;
  tokens: UpstreamTokens;
  /** The account with the same address. Only a sign-in to it can make the link. */
  accountId?: string;
};

/**
 * As it is stored. `of` names the interaction in which it arrived; the value outlives that interaction when a second factor comes first.
 */
export type SealedIdentity = { of: string; sealed: string };

/** Stores a pending identity, replacing an earlier one. */
export async function letWait({ interaction, app: { keyRing } }: Step, pending: PendingIdentity): Promise<void> {
  const sealed = keyRing.encrypt(JSON.stringify({ ...pending, at: epochSeconds(systemClock.now()) }), sealedAs(interaction.uid));
  await keepResult(interaction, { of: interaction.uid, sealed });
}

/** Deletes the pending identity. */
export async function forget({ interaction }: Step): Promise<void> {
  await keepResult(interaction, null);
}

async function keepResult(interaction: Interaction, upstream: SealedIdentity | null): Promise<void> {
  interaction.result = { ...interaction.lastSubmission, ...interaction.result, upstream };
  await persist(interaction);
}

/** @returns the pending identity as it is stored. */
export function sealedOf({ interaction }: Pick<Step, 'interaction'>): SealedIdentity | undefined {
  const { result, lastSubmission } = interaction;
  const kept = result && 'upstream' in result ? result['upstream'] : lastSubmission?.['upstream'];
  return (kept as SealedIdentity | null | undefined) ?? undefined;
}

export function pendingOf(step: Step): PendingIdentity | undefined {
  const sealed = sealedOf(step);
  return sealed && unsealed(step.app, sealed);
}

/** Decrypts a pending identity and reduces `expiresInSeconds` by the time since it was sealed. */
export function unsealed({ keyRing }: Pick<App<SignInFeature>, 'keyRing'>, { of, sealed }: SealedIdentity): PendingIdentity {
  const { at, ...pending } = JSON.parse(keyRing.decrypt(sealed, sealedAs(of))) as PendingIdentity & { at: number };
  const { expiresInSeconds } = pending.tokens;
  if (expiresInSeconds !== undefined)
    pending.tokens.expiresInSeconds = Math.max(0, expiresInSeconds - (epochSeconds(systemClock.now()) - at));
  return pending;
}

const sealedAs = (uid: string) => `pending identity ${uid}`;

/** @returns why an account cannot receive the identity; undefined when it can. @param accountId an existing account. */
export async function obstacle(
  { database }: Pick<App<SignInFeature>, 'database'>,
  { providerId, subject }: PendingIdentity,
  accountId?: string,
): Promise<'gone' | 'linked' | 'taken' | undefined> {
  const [provider, linked, another] = await Promise.all([
    findProvider(database, providerId),
    findIdentity(database, providerId, subject),
    accountId ? identityAt(database, accountId, providerId) : undefined,
  ]);
  if (!provider?.settings.signIn) return 'gone';
  if (linked) return 'linked';
  return another ? 'taken' : undefined;
}

/** @returns the statements for a link, its tokens and its audit event. The first one must change a row: see linking.ts. */
export function linkingOf(
  { ctx, app: { keyRing } }: Pick<Step, 'ctx' | 'app'>,
  pending: PendingIdentity,
  accountId: string,
): [identity: Statement, ...Statement[]] {
  return [...linking(keyRing, { accountId, brought: pending }), linkedEvent(ctx, pending, accountId)];
}

export const linkedEvent = (ctx: Context, { providerId }: PendingIdentity, accountId: string): Statement =>
  recordEvent(visitorOf(ctx), { type: 'identity_linked', accountId, detail: { provider: providerId } });

/** @returns statements for one writeTogether(), of which the first must change a row. */
export const together = ([first, ...more]: Statement[]): Omit<Write, 'subject'>[] => [
  { purpose: 'keep', once: true, statement: first as Statement },
  ...more.map((statement) => ({ purpose: 'keep' as const, statement })),
];
