import { z } from 'zod';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import { digestInHex, type KeyRing } from '../../platform/secrets.ts';

/**
 * The vocabulary of what operators look through, page by page. A page goes on after the last row of the one before, by an index, and reads no
 * more than a bounded part of a table, however large that is and whatever is searched for.
 */

export const MOST_ROWS = 100;
export const USUAL_ROWS = 50;

// Of what no index finds, such as a part of a name, so many rows are looked at for a page. It may then be short, or empty, and yet have a next.
export const SCANNED_ROWS = 10_000;

/** After which row a page goes on: the values of the columns that it is sorted by. */
export type Position = string[];

/** The rows of a page and one more, if there is one; `scanned`, where the looking stopped when it stopped early. */
export type Found<Row> = { rows: Row[]; stoppedAt?: Position | undefined };

export type List<Filters = Record<string, unknown>, Row = unknown> = {
  name: string;
  summary: string;
  /** As a query says it: texts, that is. */
  filters: z.ZodType<Filters>;
  /** A row as JSON: moments are ISO 8601. */
  row: z.ZodType;
  /** @param limit how many rows to look for; one more than the page has. */
  find(place: Place, filters: Filters, limit: number, after: Position | undefined): Promise<Found<Row>>;
  positionOf(row: Row): Position;
};

/** Of whichever filters and rows: readPage() judges what it is given. */
export type AnyList = Omit<List, 'filters' | 'find' | 'positionOf'> & { filters: unknown; find: unknown; positionOf: unknown };

export type Place = { database: Database; keyRing: KeyRing };

export type ListPage<Row> = { rows: Row[]; next: string | undefined };

/** @param filters as `list.filters` gives them. @param reader who reads, by a name of ours: a cursor is of no use to anybody else. */
export type Asking<Filters> = { filters: Filters; limit?: number | undefined; cursor?: string | undefined; reader: string };

/** @returns undefined for a cursor that is not one of this list, with these filters, for this reader. */
export async function readPage<Filters, Row>(
  list: List<Filters, Row>,
  place: Place,
  { filters, limit = USUAL_ROWS, cursor, reader }: Asking<Filters>,
): Promise<ListPage<Row> | undefined> {
  const context = `admin_cursor ${list.name} ${reader} ${digestInHex(JSON.stringify(filters))}`;
  const after = cursor === undefined ? undefined : openCursor(place.keyRing, cursor, context);
  if (cursor !== undefined && !after) return undefined;
  const { rows, stoppedAt } = await list.find(place, filters, limit + 1, after);
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? list.positionOf(shown[limit - 1] as Row) : stoppedAt;
  return { rows: shown, next: last && place.keyRing.encrypt(JSON.stringify(last), context) };
}

// Far more than any position takes.
const LONGEST_CURSOR = 4_000;
const POSITION = z.array(z.string()).min(1).max(4);

/** Sealed under the key ring: nobody makes one, or turns one of another list or filter into this one's (Hydra GHSA-r9w3-57w2-gch2). */
function openCursor(keyRing: KeyRing, cursor: string, context: string): Position | undefined {
  if (cursor.length > LONGEST_CURSOR) return undefined;
  try {
    return POSITION.parse(JSON.parse(keyRing.decrypt(cursor, context)));
  } catch {
    return undefined;
  }
}

/** What a text contains, in whichever case. Not a pattern: % and _ are letters of a name here. */
export const contains = (column: Statement, text: string): Statement => Prisma.sql`position(lower(${text}) in lower(${column})) > 0`;

/** Conditions together; none is true. */
export const all = (conditions: (Statement | undefined | false)[]): Statement => {
  const given = conditions.filter((condition): condition is Statement => Boolean(condition));
  return given.length ? Prisma.sql`(${Prisma.join(given, ' and ')})` : Prisma.sql`true`;
};

/**
 * Rows of a table in the order of one unique text column, of which a condition holds that no index knows.
 * @param columns of the table `t`, each row has the value of `by` beside them, as `place`. @param within what an index knows.
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

/** By what name cursors are a reader's. */
export const readerOf = ({ accountId, clientId = '' }: { accountId?: string | undefined; clientId?: string | undefined }): string =>
  accountId === undefined ? `client ${clientId}` : `account ${accountId}`;

// What a query says is text.
export const search = z.string().trim().max(200).optional();
export const flag = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true')
  .optional();
export const identifier = z.string().min(1).max(500).optional();
/** A moment that the database knows too: neither its years nor its offsets go as far as those of ISO 8601. */
export const moment = z.iso
  .datetime({ offset: true })
  .refine((text) => text > '1970' && text < '9000', 'must be a moment of our time')
  .transform((text) => new Date(text).toISOString())
  .optional();
