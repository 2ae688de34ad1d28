import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { Details } from './details.ts';

/**
 * Owns the links between upstream identities and accounts. A link needs proof: the user has just returned from the provider and is signed
 * in here, or is signing up. An e-mail address links nothing.
 */

export type Identity = {
  id: string;
  providerId: string;
  subject: string;
  accountId: string;
  details: Details;
  createdAt: Date;
  refreshedAt: Date;
};

/** @returns the link of a provider's subject, if there is one. */
export async function findIdentity(database: Database, providerId: string, subject: string): Promise<Identity | undefined> {
  return (
    ((await database.prisma.upstreamIdentity.findUnique({ where: { providerId_subject: { providerId, subject } } })) as Identity | null) ??
    undefined
  );
}

/** @returns a user's link to a provider. A user has at most one for each provider. */
export async function identityAt(database: Database, accountId: string, providerId: string): Promise<Identity | undefined> {
  return (
    ((await database.prisma.upstreamIdentity.findUnique({
      where: { accountId_providerId: { accountId, providerId } },
    })) as Identity | null) ?? undefined
  );
}

/** @returns all links of a user, oldest first. */
export async function listIdentities(database: Database, accountId: string): Promise<Identity[]> {
  return (await database.prisma.upstreamIdentity.findMany({
    where: { accountId },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
  })) as unknown as Identity[];
}

/** A link with what its user needs to know about the provider. */
export type Link = Identity & { provider: { name: string; disabledAt: Date | null } };

/** @returns all links of a user, also those to disabled providers, oldest first. */
export async function listLinks(database: Database, accountId: string): Promise<Link[]> {
  return (await database.prisma.upstreamIdentity.findMany({
    where: { accountId },
    include: { provider: { select: { name: true, disabledAt: true } } },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
  })) as unknown as Link[];
}

/**
 * @returns the statement that makes a link, or updates the details of an existing one. It changes no row when the subject belongs to
 * another account, so require that it changes one.
 * @param id the id of a new link, by timeOrderedId(). @throws a unique violation (23505) when the account has another subject at this
 * provider.
 */
export function saveIdentity({ id, providerId, subject, accountId, details }: Omit<Identity, 'createdAt' | 'refreshedAt'>): Statement {
  return Prisma.sql`
    insert into upstream_identity (id, provider_id, subject, account_id, details, refreshed_at)
    values (${id}, ${providerId}, ${subject}, ${accountId}, ${JSON.stringify(details)}::jsonb, now())
    on conflict (provider_id, subject) do update set details = excluded.details, refreshed_at = now()
      where upstream_identity.account_id = excluded.account_id`;
}

/** @returns the statement that deletes a link. Its tokens are deleted too and revoked at the provider: see revocations.ts. */
export function endIdentity(accountId: string, providerId: string): Statement {
  return Prisma.sql`delete from upstream_identity where account_id = ${accountId} and provider_id = ${providerId}`;
}

/**
 * @returns the statements that delete a link unless it is the only way to sign in: a password, a passkey or another provider must remain.
 * Run `lock` and then `end` in one transaction, and require that `end` changes a row. The lock on the account makes the second of two
 * requests see what the first one left.
 */
export function endIdentityUnlessLast(accountId: string, providerId: string): { lock: Statement; end: Statement } {
  const signsIn = Prisma.sql`disabled_at is null and (settings->>'signIn')::boolean`;
  return {
    lock: Prisma.sql`select from user_account where id = ${accountId} for update`,
    end: Prisma.sql`${endIdentity(accountId, providerId)}
      and (exists (select from user_account where id = ${accountId} and password_hash is not null)
        or exists (select from passkey where account_id = ${accountId})
        or not exists (select from upstream_provider where id = ${providerId} and ${signsIn})
        or exists (select from upstream_identity other join upstream_provider p on p.id = other.provider_id
          where other.account_id = ${accountId} and other.provider_id <> ${providerId} and ${signsIn}))`,
  };
}
