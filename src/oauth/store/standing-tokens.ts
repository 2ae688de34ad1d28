import { type Database, Prisma } from '../../platform/database.ts';
import { gather } from '../../platform/gather.ts';
import { digestInHex } from '../../platform/secrets.ts';
import { type AccountRow, accountAsJson } from './accounts.ts';

/**
 * Owns the question that APIs ask most: whether a token is valid, and what it says. A token is valid while it is known, unexpired and
 * unused.
 * Its grant must exist and belong to it, and its session too if it ends with one.
 */

export type StandingToken = {
  kind: string;
  client_id: string;
  account_id: string | null;
  /** Seconds since 1970. */
  exp: number;
  payload: Record<string, unknown>;
  /** Only present when asked for; null for a deleted or disabled account. */
  account: AccountRow | null;
};

/** Whether a row of `token t` is valid: unused and unexpired, with its own live grant and, where needed, its own live session. */
export const stands = Prisma.sql`
  t.expires_at > now() and (t.kind <> 'RefreshToken' or t.consumed_at is null)
        and (t.grant_id is null or exists (
          select from grant_record g
          where g.id = t.grant_id and g.expires_at > now() and g.client_id = t.client_id and g.account_id = t.account_id))
        and (t.payload->'expiresWithSession' is distinct from 'true' or exists (
          select from session s
          where s.uid = t.payload->>'sessionUid' and s.expires_at > now() and s.account_id = t.account_id
            and s.payload->'authorizations'->t.client_id->>'grantId' = t.grant_id))`;

/** @returns a function that finds a token by its value, with or without its account. Calls in one tick share one statement. */
export function createStandingTokens(database: Database): (token: string, withAccount: boolean) => Promise<StandingToken | undefined> {
  const ask = gather((questions: { token: string; withAccount: boolean }[]) => findStandingTokens(database, questions));
  return (token, withAccount) => ask({ token, withAccount });
}

/**
 * Looks up each token in a lateral sub-select, which stays an index look-up with any planner statistics:
 *
 *     Nested Loop
 *       -> Function Scan on unnest asked
 *       -> Index Scan using token_pkey on token t
 *            SubPlan: Index Scan using grant_record_pkey, session_uid_key, user_account_pkey
 */
async function findStandingTokens(database: Database, questions: { token: string; withAccount: boolean }[]) {
  const ids = `{${questions.map(({ token }) => `"\\\\x${digestInHex(token)}"`).join()}}`;
  const withAccounts = `{${questions.map(({ withAccount }) => withAccount)}}`;
  const rows = await database.query<StandingToken & { n: number }>(Prisma.sql`
    select asked.n::int as n, t.* from unnest(${ids}::bytea[], ${withAccounts}::boolean[]) with ordinality asked (id, with_account, n),
    lateral (
      select kind::text, client_id, account_id, floor(extract(epoch from expires_at))::float8 as exp, payload,
        case when asked.with_account then ${accountAsJson(Prisma.sql`t.account_id`)} end as account
      from token t
      where t.id = asked.id and ${stands}
      offset 0
    ) t`);
  const answers: (StandingToken | undefined)[] = questions.map(() => undefined);
  for (const row of rows) answers[row.n - 1] = row;
  return answers;
}
