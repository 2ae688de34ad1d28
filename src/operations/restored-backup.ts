import { grantGraceAgain } from '../accounts/profile.ts';
import { useCodesUntilNow } from '../factors/totp.ts';
import { Prisma, type Statement } from '../platform/database.ts';
import { inLongTransaction } from '../platform/long-transaction.ts';
import { markRestored } from '../protocol-store/records.ts';
import { seeAllClients } from '../protocol-store/unused-clients.ts';

/**
 * Owns what must end after a physical backup was restored. The database then has forgotten what was issued, spent and revoked since the backup.
 * Which of its tokens were spent cannot be known, so every token, code and session ends, and none has to be compared with a moment later.
 * Does not restore anything: PostgreSQL's own tools do.
 */

/** Tables of credentials, and of mail that was sent since. All of their rows end. */
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

// A registration access token is not spent by its use, and its client has no other. Replay rows still refuse what they name.
const KEPT_RECORDS = Prisma.sql`('RegistrationAccessToken', 'ReplayDetection')`;

/** How many rows of a table ended. */
export type Ended = { table: string; rows: number }[];

/**
 * Ends all of it in one transaction, or nothing.
 * @param told the event that records it, written along.
 * @throws Error of PostgreSQL, such as when the role does not own the tables.
 */
export function endAfterRestore(url: string, told: (rows: number) => Statement): Promise<Ended> {
  return inLongTransaction(url, 'write', async (transaction) => {
    const counts = ENDED.map((table) => `select '${table}' as table, count(*)::int as rows from ${table}`).join(' union all ');
    const ended = await transaction.run<Ended[number]>(Prisma.raw(counts));
    // Not by `delete`: a table of tokens can have millions of rows.
    await transaction.run(Prisma.raw(`truncate ${ENDED.join(', ')}`));
    const records = await transaction.run(Prisma.sql`delete from protocol_record where kind not in ${KEPT_RECORDS} returning 1`);
    ended.push({ table: 'protocol_record', rows: records.length });
    for (const statement of [markRestored(), useCodesUntilNow(), seeAllClients(), grantGraceAgain()]) await transaction.run(statement);
    await transaction.run(told(ended.reduce((total, { rows }) => total + rows, 0)));
    return ended;
  });
}
