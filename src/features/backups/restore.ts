import { OWN_CLIENTS } from '../../oauth/clients/first-party.ts';
import { Prisma, type Statement } from '../../platform/database.ts';
import { DURABLE, type Header } from './durable.ts';
import { readMigrations } from './export.ts';
import { eachRow } from './exported-file.ts';
import { inLongTransaction, type LongTransaction } from './long-transaction.ts';

/** Owns the restore of an export into a database without users' data: completely or not at all. */

const BYTES_AT_ONCE = 4 * 1024 * 1024;
const ROWS_AT_ONCE = 500;

/** Rows that a server writes at its first start, which the restore replaces. Later tables refer to earlier ones. */
const GIVES_WAY = ['signing_key', 'client', 'resource_server', 'hourly_count'];

/** If these tables are empty, the database has no users' data. */
const MUST_BE_EMPTY = ['user_account', 'upstream_provider', 'initial_access_token', 'software_statement_issuer', 'post'];

/** Writes nothing. @throws Error that says what prevents a restore, and what to do. */
export function assertRestorable(url: string, header: Header): Promise<void> {
  return inLongTransaction(url, 'read', (transaction) => assertRoom(transaction, header));
}

/**
 * @param event the audit event, written in the same transaction.
 * @param step called for each row.
 * @throws Error when nothing was restored.
 */
export function restoreData(
  { url, file, header, event }: { url: string; file: string; header: Header; event: Statement },
  step: () => void,
): Promise<void> {
  return inLongTransaction(url, 'write', async (transaction) => {
    // The lock prevents sign-ups between the check and the writes.
    await transaction.run(Prisma.sql`lock table user_account, client, upstream_provider, signing_key in share row exclusive mode`);
    await assertRoom(transaction, header);
    for (const table of GIVES_WAY) await transaction.run(Prisma.raw(`delete from ${table}`));
    const batch = createBatch(transaction);
    await eachRow(file, async (table, row) => {
      await batch.add(table, row);
      step();
    });
    await batch.end();
    await transaction.run(event);
  });
}

async function assertRoom(transaction: LongTransaction, header: Header): Promise<void> {
  const migrations = await readMigrations(transaction);
  if (!migrations.length) throw new Error('the database has no tables yet. Run: node scripts/migrate.ts');
  if (migrations.join() !== header.migrations.join())
    throw new Error(
      `the file is of a database at ${header.migrations.at(-1) ?? 'no migration'}, and this one is at ${migrations.at(-1)}: restore it by the release that exported it, and migrate then`,
    );
  const counts = MUST_BE_EMPTY.map((table) => `select '${table}' as name, count(*)::int as rows from ${table}`).join(' union all ');
  const found = await transaction.run<{ name: string; rows: number }>(Prisma.raw(counts));
  const clients = await transaction.run<{ name: string; rows: number }>(Prisma.sql`
    select 'client' as name, count(*)::int as rows from client where id <> all(${[...OWN_CLIENTS]})`);
  const full = [...found, ...clients].filter(({ rows }) => rows);
  if (full.length)
    throw new Error(
      `the database is in use: it has rows in ${full.map(({ name, rows }) => `${name} (${rows})`).join(', ')}. Restore into a new one, which node scripts/migrate.ts has prepared`,
    );
}

/** Writes many rows of one table in one statement. Postgres reads the rows as it wrote them. */
function createBatch(transaction: LongTransaction) {
  let [table, rows, bytes] = ['', [] as string[], 0];
  const write = async () => {
    if (!rows.length) return;
    const into = Prisma.raw(table);
    await transaction.run(
      Prisma.sql`insert into ${into} select * from jsonb_populate_recordset(null::${into}, ${`[${rows.join(',')}]`}::jsonb)`,
    );
    [rows, bytes] = [[], 0];
  };
  return {
    async add(name: string, row: string) {
      // The name is safe: rowOf() returns only tables of durable.ts.
      if (name !== table || rows.length === ROWS_AT_ONCE || bytes > BYTES_AT_ONCE) await write();
      table = name;
      rows.push(row);
      bytes += row.length;
    },
    end: write,
  };
}

/** The number of rows that a file declares. */
export const rowsOf = ({ rows }: Header): number => DURABLE.reduce((total, [table]) => total + (Number(rows[table]) || 0), 0);
