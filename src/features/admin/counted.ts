import type { CountName } from '../../audit/counts.ts';
import { type Database, Prisma } from '../../platform/database.ts';

/** Owns the reading of counts for charts. audit/counts.ts writes them. */

/** A time span for a chart: a number of hours or days until now. */
export type Span = { unit: 'hour' | 'day'; steps: number; timeZone: string };

export type CountedStep = { at: Date; name: CountName; label: string; count: number };

/** @returns the start of each hour or day, oldest first, and its counts. */
export async function readCounts(
  database: Database,
  { unit, steps, timeZone }: Span,
  names: CountName[],
): Promise<{ moments: Date[]; counted: CountedStep[] }> {
  const rows = await database.query<{ at: Date; name: CountName | null; label: string; count: number }>(Prisma.sql`
    with step as (
      select generate_series(
        date_trunc(${unit}, now(), ${timeZone}) - (${steps}::int - 1) * ('1 ' || ${unit})::interval, date_trunc(${unit}, now(), ${timeZone}), ('1 ' || ${unit})::interval) as at)
    select s.at, c.name, c.label, c.count from step s left join (
      select date_trunc(${unit}, hour, ${timeZone}) as at, name, label, sum(count)::float8 as count from hourly_count
      where hour >= (select min(at) from step) and name = any(${names}) group by 1, 2, 3) c on c.at = s.at
    order by s.at, c.name, c.label`);
  return {
    moments: [...new Map(rows.map(({ at }) => [at.getTime(), at])).values()],
    counted: rows.filter((row): row is CountedStep => row.name !== null),
  };
}
