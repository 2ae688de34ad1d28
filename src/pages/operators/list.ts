import { z } from 'zod';
import type { StartingApp } from '../../oauth/app.ts';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import { digestInHex, type KeyRing } from '../../platform/secrets.ts';

/**
 * Owns the type of an operator's lists, page by page. A page continues after the last row of the previous one, by an index. It reads a
 * limited part of a table, regardless of the table's size and the search.
 */

export const MOST_ROWS = 100;
export const USUAL_ROWS = 50;

// The most rows scanned for a page when no index helps, such as for a part of a name. The page may then be short or empty, and still have a
// next one.
export const SCANNED_ROWS = 10_000;

/** The row after which a page continues: its values of the sort columns. */
export type Position = string[];

/** The rows of a page, plus one if there are more. `stoppedAt` is where a scan stopped early. */
export type Found<Row> = { rows: Row[]; stoppedAt?: Position | undefined };

export type List<Filters = Record<string, unknown>, Row = unknown> = {
  name: string;
  summary: string;
  /** The filters as the query has them: text. */
  filters: z.ZodType<Filters>;
  /** A row as JSON, with times in ISO 8601. */
  row: z.ZodType;
  /** @param limit the most rows to return: the page's rows plus one. */
  find(app: ListApp, filters: Filters, limit: number, after: Position | undefined): Promise<Found<Row>>;
  positionOf(row: Row): Position;
};

/** A list of any filters and rows: readPage() checks what it gets. */
export type AnyList = Omit<List, 'filters' | 'find' | 'positionOf'> & { filters: unknown; find: unknown; positionOf: unknown };

/** The bag of a list. */
export type ListApp = Pick<StartingApp, 'database' | 'keyRing'>;

export type ListPage<Row> = { rows: Row[]; next: string | undefined };

/** @param filters as `list.filters` returns them. @param reader name of the caller: a cursor works for its own reader only. */
export type Asking<Filters> = { filters: Filters; limit?: number | undefined; cursor?: string | undefined; reader: string };

/** @returns undefined for a cursor of another list, other filters or another reader. */
export async function readPage<Filters, Row>(
  list: List<Filters, Row>,
  app: ListApp,
  { filters, limit = USUAL_ROWS, cursor, reader }: Asking<Filters>,
): Promise<ListPage<Row> | undefined> {
  const context = `admin_cursor ${list.name} ${reader} ${digestInHex(JSON.stringify(filters))}`;
  const after = cursor === undefined ? undefined : openCursor(app.keyRing, cursor, context);
  if (cursor !== undefined && !after) return undefined;
  const { rows, stoppedAt } = await list.find(app, filters, limit + 1, after);
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? list.positionOf(shown[limit - 1] as Row) : stoppedAt;
  return { rows: shown, next: last && app.keyRing.encrypt(JSON.stringify(last), context) };
}

// Longer than any position.
const LONGEST_CURSOR = 4_000;
const POSITION = z.array(z.string()).min(1).max(4);

/** Encrypted with the key ring. So nobody can create a cursor, or use one of another list or filter (Hydra GHSA-r9w3-57w2-gch2). */
function openCursor(keyRing: KeyRing, cursor: string, context: string): Position | undefined {
  if (cursor.length > LONGEST_CURSOR) return undefined;
  try {
    return POSITION.parse(JSON.parse(keyRing.decrypt(cursor, context)));
  } catch {
    return undefined;
  }
}

/** Whether a column contains a text, in any case. Not a pattern: % and _ are ordinary characters in a name. */
export const contains = (column: Statement, text: string): Statement => Prisma.sql`position(lower(${text}) in lower(${column})) > 0`;

/** Combines conditions with `and`; no condition is true. */
export const all = (conditions: (Statement | undefined | false)[]): Statement => {
  const given = conditions.filter((condition): condition is Statement => Boolean(condition));
  return given.length ? Prisma.sql`(${Prisma.join(given, ' and ')})` : Prisma.sql`true`;
};

/**
 * Rows of a table in the order of one unique text column.
 * @param table.columns of the table `t`; each row also has the value of `by`, as `place`.
 * @param page.where a condition that no index supports.
 */
export async function scan<Row>(
  database: Database,
  table: { from: Statement; by: Statement; columns: Statement },
  { where, after, limit }: { where: Statement | undefined; after: Position | undefined; limit: number },
): Promise<Found<Row>> {
  const { from, by, columns } = table;
  const on = after ? Prisma.sql`${by} > ${after[0]}` : Prisma.sql`true`;
  if (!where)
    return { rows: await database.aside<Row>(Prisma.sql`select ${columns} from ${from} where ${on} order by ${by} limit ${limit}`) };
  const looked = await database.aside<{ row: boolean | null; seen: number; last: string | null }>(Prisma.sql`
    with looked as materialized (select t.* from ${from} where ${on} order by ${by} limit ${SCANNED_ROWS}),
    seen as (select count(*)::int as seen, max(${by}) as last from looked t)
    select seen.seen, seen.last, found.* from seen left join lateral (
      select true as row, ${by} as place, ${columns} from looked t where ${where} order by ${by} limit ${limit}) found on true
    order by found.place`);
  const [{ seen, last }] = looked as [(typeof looked)[number]];
  const rows = looked.filter(({ row }) => row).map(withoutScan<Row>);
  return { rows, stoppedAt: seen === SCANNED_ROWS && last !== null ? [last] : undefined };
}

function withoutScan<Row>(looked: object): Row {
  const { row: _row, place: _place, seen: _seen, last: _last, ...row } = looked as Record<string, unknown>;
  return row as Row;
}

/** The name that binds cursors to a reader. */
export const readerOf = ({ accountId, clientId = '' }: { accountId?: string | undefined; clientId?: string | undefined }): string =>
  accountId === undefined ? `client ${clientId}` : `account ${accountId}`;

// Query parameters are text.
export const search = z.string().trim().max(200).optional();
export const flag = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true')
  .optional();
export const identifier = z.string().min(1).max(500).optional();
/** A time that the database can store: its range of years and offsets is smaller than that of ISO 8601. */
export const moment = z.iso
  .datetime({ offset: true })
  .refine((text) => text > '1970' && text < '9000', 'must be a moment of our time')
  .transform((text) => new Date(text).toISOString())
  .optional();
