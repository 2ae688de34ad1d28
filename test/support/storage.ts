import assert from 'node:assert/strict';
import type { TestServer } from './environment.ts';

/** Every row of every table as Postgres writes it out: for finding what must not be stored, and for telling that nothing changed. */
export async function dumpTables(server: TestServer, row = (_table: unknown) => 't::text'): Promise<Record<string, string[]>> {
  const tables = await server.sql(`select tablename as name from pg_tables where schemaname = 'public' order by 1`);
  const dump: Record<string, string[]> = Object.fromEntries(tables.map(({ name }) => [name, []]));
  const rows = await server.sql(
    tables.map(({ name }) => `select '${name}' as name, ${row(name)} as line from "${name}" t`).join(' union all '),
  );
  for (const { name, line } of rows) dump[String(name)]?.push(String(line));
  return dump;
}

// What is noted of what happened, some time after the answer: that something was refused, and how often.
export const WRITTEN_BEHIND = ['client_error', 'client_pkce_use', 'hourly_count'];
// So is when a secret was used.
export const withoutUse = (table: unknown) => (table === 'client_secret' ? "(to_jsonb(t) - 'used_at')::text" : 't::text');

/** Does something, and asserts that afterwards no row of any table is another than before. @param but tables that may differ. @returns what it did. */
export async function unchanged<T>(server: TestServer, act: () => Promise<T>, but: string[] = []): Promise<T> {
  const aside = [...but, ...WRITTEN_BEHIND];
  const dump = async () =>
    lines(Object.fromEntries(Object.entries(await dumpTables(server, withoutUse)).filter(([table]) => !aside.includes(table))));
  const before = await dump();
  const result = await act();
  const after = await dump();
  const difference = { gone: [...before.difference(after)], new: [...after.difference(before)] };
  assert.deepEqual(difference, { gone: [], new: [] }, 'the database is as it was');
  return result;
}

/** Deletes the answers that are kept for a minute (http/kept-answers.ts), as pruning does after it. */
export async function passAMinute(server: TestServer): Promise<void> {
  await server.sql(`delete from kept_answer where expires_at < now() + interval '2 minutes'`);
}

/** How many rows fit, such as `countRows(server, 'token where client_id = $1', [id])`. */
export async function countRows(server: TestServer, tableAndCondition: string, values: unknown[] = []): Promise<number> {
  const [row] = await server.sql(`select count(*)::int as rows from ${tableAndCondition}`, values);
  return Number(row?.['rows']);
}

// A row is keyed in every table, so no two are the same text.
const lines = (dump: Record<string, string[]>) =>
  new Set(Object.entries(dump).flatMap(([table, rows]) => rows.map((row) => `${table} ${row}`)));
