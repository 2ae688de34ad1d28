import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { Details } from './details.ts';

/**
 * Owns whose account at a provider is whose here. A link is made by proof alone: whoever makes one has just come back from the provider,
 * and is signed in here or makes their account with it. An e-mail address links nothing.
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

/** Whose the provider's subject is. */
export async function findIdentity(database: Database, providerId: string, subject: string): Promise<Identity | undefined> {
  return (
    ((await database.prisma.upstreamIdentity.findUnique({ where: { providerId_subject: { providerId, subject } } })) as Identity | null) ??
    undefined
  );
}

/** A person's link to a provider. They have one each. */
export async function identityAt(database: Database, accountId: string, providerId: string): Promise<Identity | undefined> {
  return (
    ((await database.prisma.upstreamIdentity.findUnique({
      where: { accountId_providerId: { accountId, providerId } },
    })) as Identity | null) ?? undefined
  );
}

/** All links of a person, oldest first. */
export async function listIdentities(database: Database, accountId: string): Promise<Identity[]> {
  return (await database.prisma.upstreamIdentity.findMany({
    where: { accountId },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
  })) as unknown as Identity[];
}

/** A link with what its person needs to know of the provider. */
export type Link = Identity & { provider: { name: string; disabledAt: Date | null } };

/** All links of a person, to disabled providers too, oldest first. */
export async function listLinks(database: Database, accountId: string): Promise<Link[]> {
  return (await database.prisma.upstreamIdentity.findMany({
    where: { accountId },
    include: { provider: { select: { name: true, disabledAt: true } } },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
  })) as unknown as Link[];
}

/**
 * The writing of a link, or of newer details into one that is there. It must change a row: it does not when the subject is somebody else's.
 * @param id of a link to be made, by timeOrderedId(). @throws a unique violation (23505) when the person has another subject at this provider.
 */
export function saveIdentity({ id, providerId, subject, accountId, details }: Omit<Identity, 'createdAt' | 'refreshedAt'>): Statement {
  return Prisma.sql`
    insert into upstream_identity (id, provider_id, subject, account_id, details, refreshed_at)
    values (${id}, ${providerId}, ${subject}, ${accountId}, ${JSON.stringify(details)}::jsonb, now())
    on conflict (provider_id, subject) do update set details = excluded.details, refreshed_at = now()
      where upstream_identity.account_id = excluded.account_id`;
}

/** The ending of a link. What the provider gave for it goes too, and the provider is told, see revocations.ts. */
export function endIdentity(accountId: string, providerId: string): Statement {
  return Prisma.sql`delete from upstream_identity where account_id = ${accountId} and provider_id = ${providerId}`;
}

/**
 * The ending of a link, unless it is the last way in: an account keeps a password, a passkey or another provider to sign in by. `end` must
 * change a row, and is to be run after `lock` in one transaction: the account is locked first, so that of two at once the second sees what
 * the first has left.
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
