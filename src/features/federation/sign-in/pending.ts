import type { Context } from 'koa';
import { auditEvent } from '../../../audit/events.ts';
import { visitorOf } from '../../../http/visitor.ts';
import { persist } from '../../../oauth/internals.ts';
import type { Write } from '../../../oauth/store/unit-of-work.ts';
import { epochSeconds, systemClock } from '../../../platform/clock.ts';
import type { Statement } from '../../../platform/database.ts';
import type { Interaction, Services, Step } from '../../../sign-in/step.ts';
import type { Details } from '../details.ts';
import { findIdentity, identityAt } from '../identities.ts';
import { linking } from '../linking.ts';
import { findProvider } from '../providers.ts';
import type { UpstreamTokens } from '../upstream.ts';

/**
 * Owns the account at a provider that somebody came back with and that is nobody's here yet: it waits, sealed, in the interaction's
 * stored result, or in the proof by mail that it is to become a link with. Whose it becomes, others decide.
 */

export type PendingIdentity = {
  providerId: string;
  providerName: string;
  subject: string;
  details: Details;
  tokens: UpstreamTokens;
  /** The account that has the same address: it alone can be linked, by who signs in to it. */
  accountId?: string;
};

/** As it is stored. `of` names the interaction that it came to, and outlives it where a further factor is owed. */
export type SealedIdentity = { of: string; sealed: string };

/** Has it wait, in place of one that came before. */
export async function letWait({ interaction, services: { keyRing } }: Step, pending: PendingIdentity): Promise<void> {
  const sealed = keyRing.encrypt(JSON.stringify({ ...pending, at: epochSeconds(systemClock.now()) }), sealedAs(interaction.uid));
  await keepResult(interaction, { of: interaction.uid, sealed });
}

/** Forgets the one that waits. */
export async function forget({ interaction }: Step): Promise<void> {
  await keepResult(interaction, null);
}

async function keepResult(interaction: Interaction, upstream: SealedIdentity | null): Promise<void> {
  interaction.result = { ...interaction.lastSubmission, ...interaction.result, upstream };
  await persist(interaction);
}

/** The one that waits, as it is stored. */
export function sealedOf({ interaction }: Pick<Step, 'interaction'>): SealedIdentity | undefined {
  const { result, lastSubmission } = interaction;
  const kept = result && 'upstream' in result ? result['upstream'] : lastSubmission?.['upstream'];
  return (kept as SealedIdentity | null | undefined) ?? undefined;
}

/** The one that waits. */
export function pendingOf(step: Step): PendingIdentity | undefined {
  const sealed = sealedOf(step);
  return sealed && unsealed(step.services, sealed);
}

/** What was sealed, with the seconds that its tokens still live. */
export function unsealed({ keyRing }: Pick<Services, 'keyRing'>, { of, sealed }: SealedIdentity): PendingIdentity {
  const { at, ...pending } = JSON.parse(keyRing.decrypt(sealed, sealedAs(of))) as PendingIdentity & { at: number };
  const { expiresInSeconds } = pending.tokens;
  if (expiresInSeconds !== undefined)
    pending.tokens.expiresInSeconds = Math.max(0, expiresInSeconds - (epochSeconds(systemClock.now()) - at));
  return pending;
}

const sealedAs = (uid: string) => `pending identity ${uid}`;

/** Why it cannot become an account's; undefined when it can. @param accountId of an account that is there already. */
export async function obstacle(
  { database }: Pick<Services, 'database'>,
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

/** The writing of a link with what sign-in brought for it, and of the record. The first must change a row: see linking.ts. */
export function linkingOf(
  { ctx, services: { keyRing } }: Pick<Step, 'ctx' | 'services'>,
  pending: PendingIdentity,
  accountId: string,
): [identity: Statement, ...Statement[]] {
  return [...linking(keyRing, { accountId, brought: pending }), linkedEvent(ctx, pending, accountId)];
}

export const linkedEvent = (ctx: Context, { providerId }: PendingIdentity, accountId: string): Statement =>
  auditEvent(visitorOf(ctx), { type: 'identity_linked', accountId, detail: { provider: providerId } });

/** Statements as parts of what writeTogether() makes at once, of which the first must change a row. */
export const together = ([first, ...more]: Statement[]): Omit<Write, 'subject'>[] => [
  { purpose: 'keep', once: true, statement: first as Statement },
  ...more.map((statement) => ({ purpose: 'keep' as const, statement })),
];
