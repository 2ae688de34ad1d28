import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import type { Database, Statement } from '../../platform/database.ts';
import { type KeyRing, timeOrderedId } from '../../platform/secrets.ts';
import { isUniqueViolation } from '../../platform/sql-errors.ts';
import type { Details } from './details.ts';
import { findIdentity, type Identity, identityAt, saveIdentity } from './identities.ts';
import type { UpstreamTokens } from './upstream.ts';
import { keepTokens } from './vault.ts';

/** Owns the link between an account here and an account at a provider: one at each provider, and no two accounts share one. */

/** What a provider told and gave. @see Arrival in visits.ts */
export type Linkable = { providerId: string; subject: string; details: Details; tokens: UpstreamTokens };

/**
 * `linked` or `kept`: the account has it now, or had it before. `taken`: it is another account's. `another`: this account has another one at the
 * provider. `refused`: see `mayLink`. Nothing was changed by the last three.
 */
export type Outcome = 'linked' | 'kept' | 'taken' | 'another' | 'refused';

type Link = {
  accountId: string;
  brought: Linkable;
  /** The grant by which an app acts with the tokens; none for those of a sign-in. */
  grantId?: string;
  /** Whether a link that is not there yet may be made. */
  mayLink?(): boolean;
  /** What is written in the same transaction. @param before the link as it was. */
  along(before: Identity | undefined): Statement[];
};

/** Makes the link, or keeps what was brought with the one that is there, in one transaction. */
export async function linkIdentity({ database, keyRing }: { database: Database; keyRing: KeyRing }, link: Link): Promise<Outcome> {
  const { accountId, brought, mayLink, along } = link;
  const { providerId, subject } = brought;
  const [mine, theirs] = await Promise.all([identityAt(database, accountId, providerId), findIdentity(database, providerId, subject)]);
  if (theirs && theirs.accountId !== accountId) return 'taken';
  if (mine && mine.subject !== subject) return 'another';
  if (!mine && mayLink && !mayLink()) return 'refused';
  const statements = [...linking(keyRing, { ...link, id: mine?.id }), ...along(mine)];
  try {
    const written = await writeTogether(
      database,
      statements.map((statement, n) => ({ purpose: 'keep', statement, once: n === 0 })),
    );
    if (!written) return 'taken';
    return mine ? 'kept' : 'linked';
  } catch (error) {
    // Linked from another tab, a moment before.
    if (isUniqueViolation(error)) return 'another';
    throw error;
  }
}

/** The writing of a link and of what the provider gave. The first must change a row: see saveIdentity(). */
export function linking(
  keyRing: KeyRing,
  { id = timeOrderedId(), accountId, brought, grantId }: Pick<Link, 'accountId' | 'brought' | 'grantId'> & { id?: string | undefined },
): [identity: Statement, tokens: Statement] {
  const { providerId, subject, details, tokens } = brought;
  return [
    saveIdentity({ id, providerId, subject, accountId, details }),
    keepTokens(keyRing, { providerId, identityId: id, grantId: grantId ?? null, tokens }),
  ];
}
