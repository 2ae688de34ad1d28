import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import type { Database, Statement } from '../../platform/database.ts';
import { type KeyRing, timeOrderedId } from '../../platform/secrets.ts';
import { isUniqueViolation } from '../../platform/sql-errors.ts';
import type { Details } from './details.ts';
import { findIdentity, type Identity, identityAt, saveIdentity } from './identities.ts';
import type { UpstreamTokens } from './upstream.ts';
import { keepTokens } from './vault.ts';

/**
 * Owns the link between an account here and one at a provider. An account has at most one link for each provider, and two accounts never
 * share an upstream identity.
 */

/** The identity and tokens that a provider returned. @see Arrival in visits.ts */
export type Linkable = { providerId: string; subject: string; details: Details; tokens: UpstreamTokens };

/**
 * `linked`: the account has the link now. `kept`: the account already had it. `taken`: another account has it. `another`: this account has
 * a different identity at the provider. `refused`: see `mayLink`. The last three change nothing.
 */
export type Outcome = 'linked' | 'kept' | 'taken' | 'another' | 'refused';

type Link = {
  accountId: string;
  brought: Linkable;
  /** The grant under which a client uses the tokens; absent for those of a sign-in. */
  grantId?: string;
  /** @returns whether a new link may be made. */
  mayLink?(): boolean;
  /** @returns statements to write in the same transaction. @param before the link as it was. */
  along(before: Identity | undefined): Statement[];
};

/** Makes the link, or stores the new details and tokens in the existing one, in one transaction. */
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
    // Another tab made a link a moment ago.
    if (isUniqueViolation(error)) return 'another';
    throw error;
  }
}

/** @returns the statements that store a link and its tokens. The first one must change a row: see saveIdentity(). */
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
