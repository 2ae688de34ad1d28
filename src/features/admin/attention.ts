import { FIRST_PARTY_CLIENT } from '../../oauth/clients/first-party.ts';
import { type Database, isUnavailable, Prisma } from '../../platform/database.ts';

/** Owns the list of things that need an operator's attention: a few of each kind, with the total. */

const SHOWN = 5;
// A signing key should be replaced after one to three years (NIST SP 800-57 part 1 section 5.3.6). This takes one year.
const OLD_KEY = Prisma.sql`interval '365 days'`;

export type NamedClient = { id: string; name: string | null; count: number };

export type Attention = {
  suspended: (NamedClient & { at: Date })[];
  /** The total number of suspended clients. */
  suspendedCount: number;
  /** Unverified clients with the number of users who granted them access; undefined when the count takes too long. */
  unverified: NamedClient[] | undefined;
  /** Mails that failed and are still unsent, and since when. */
  mail: { count: number; since: Date | null };
  /** Requests of the last day with X-Forwarded-For from a peer that TRUST_PROXY does not list. */
  unlistedProxies: number;
  /** Keys that sign and are older than OLD_KEY. */
  oldKeys: { kid: string; since: Date }[];
};

export async function findAttention(database: Database): Promise<Attention> {
  const [suspended, unverified, [mail], oldKeys, [forwarded]] = await Promise.all([
    database.query<NamedClient & { at: Date }>(Prisma.sql`
      select id, metadata->>'client_name' as name, suspended_at as at, (count(*) over ())::int as count
      from client where suspended_at is not null order by suspended_at desc, id limit ${SHOWN}`),
    inTime(
      database.aside<NamedClient>(Prisma.sql`
        select c.id, c.metadata->>'client_name' as name, g.count from (
          select client_id, count(distinct account_id)::int as count from grant_record where expires_at > now() group by client_id) g
        join client c on c.id = g.client_id
        where c.registration = 'dynamic' and c.publisher is null and c.suspended_at is null and c.id <> ${FIRST_PARTY_CLIENT}
        order by g.count desc, c.id limit ${SHOWN}`),
    ),
    database.query<{ count: number; since: Date | null }>(Prisma.sql`
      select count(*)::int as count, min(created_at) as since from mail where sent_at is null and attempts > 0 and expires_at > now()`),
    database.query<{ kid: string; since: Date }>(Prisma.sql`
      select kid, active_at as since from signing_key where active_at < now() - ${OLD_KEY} and (retired_at is null or retired_at > now()) order by active_at`),
    database.query<{ count: number }>(Prisma.sql`
      select coalesce(sum(count), 0)::float8 as count from hourly_count where name = 'forwarded' and hour > now() - interval '1 day'`),
  ]);
  return {
    suspended,
    suspendedCount: suspended[0]?.count ?? 0,
    unverified,
    mail: mail ?? { count: 0, since: null },
    oldKeys,
    unlistedProxies: forwarded?.count ?? 0,
  };
}

/** The page still appears when one count exceeds the statement timeout. */
async function inTime<T>(counting: Promise<T>): Promise<T | undefined> {
  try {
    return await counting;
  } catch (error) {
    if (isUnavailable(error)) return undefined;
    throw error;
  }
}
