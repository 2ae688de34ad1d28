import { markRestored } from '../../oauth/store/records.ts';
import { seeAllClients } from '../../oauth/store/unused-clients.ts';
import { Prisma, type Statement } from '../../platform/database.ts';
import { inLongTransaction } from './long-transaction.ts';

/**
 * Owns what must end after the restore of a physical backup. The database no longer knows what was issued, used and revoked since the
 * backup. It cannot know which of its tokens were used. So every token, code and session ends, and no later check has to compare times.
 * Does not restore anything: PostgreSQL's own tools do.
 */

/** Tables of credentials, and of mail that was sent since. All of their rows are deleted. */
export const ENDED = [
  'authorization_code',
  'token',
  'session',
  'one_time_token',
  'not_me_link',
  'upstream_visit',
  'mail',
  'kept_answer',
] as const;

// Using a registration access token does not consume it, and its client has no other. Replay rows still refuse the values they record.
const KEPT_RECORDS = Prisma.sql`('RegistrationAccessToken', 'ReplayDetection')`;

/** How many rows of a table were deleted. */
export type Ended = { table: string; rows: number }[];

/**
 * Ends all of it in one transaction, or nothing.
 * @param ofFeatures statements of the features: see src/feature.ts.
 * @param event the audit event, written in the same transaction.
 * @throws Error of PostgreSQL, such as when the role does not own the tables.
 */
export function endAfterRestore(url: string, ofFeatures: Statement[], event: (rows: number) => Statement): Promise<Ended> {
  return inLongTransaction(url, 'write', async (transaction) => {
    const counts = ENDED.map((table) => `select '${table}' as table, count(*)::int as rows from ${table}`).join(' union all ');
    const ended = await transaction.run<Ended[number]>(Prisma.raw(counts));
    // `truncate` instead of `delete`: a table of tokens can have millions of rows.
    await transaction.run(Prisma.raw(`truncate ${ENDED.join(', ')}`));
    const records = await transaction.run(Prisma.sql`delete from protocol_record where kind not in ${KEPT_RECORDS} returning 1`);
    ended.push({ table: 'protocol_record', rows: records.length });
    for (const statement of [markRestored(), ...ofFeatures, seeAllClients()]) await transaction.run(statement);
    await transaction.run(event(ended.reduce((total, { rows }) => total + rows, 0)));
    return ended;
  });
}
