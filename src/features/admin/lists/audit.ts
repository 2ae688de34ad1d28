import { z } from 'zod';
import { all, identifier, type List, moment, SCANNED_ROWS } from '../../../pages/operators/list.ts';
import { Prisma } from '../../../platform/database.ts';

/** Owns the operators' lists of audit events, newest first, and of hourly counts. */

const EVENT = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  type: z.string(),
  account_id: z.string().nullable().describe('The account that the event is about; also the actor, unless `actor_id` is set'),
  actor_id: z.string().nullable().describe('The account that acted, when it is another one'),
  client_id: z.string().nullable(),
  address: z.string().nullable(),
  browser: z.string().nullable(),
  request_id: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
});

export type AuditRow = {
  id: string;
  at: Date;
  type: string;
  account_id: string | null;
  actor_id: string | null;
  client_id: string | null;
  address: string | null;
  browser: string | null;
  request_id: string | null;
  detail: Record<string, unknown>;
};

const filters = z.strictObject({
  account: identifier.describe('The id of the user whom the event is about'),
  actor: identifier.describe('The id of the operator who acted'),
  client: identifier.describe('A client_id'),
  request: identifier.describe('The id of a request, from an error page or the log'),
  type: z
    .string()
    .regex(/^[a-z_]{1,60}$/)
    .optional(),
  from: moment,
  until: moment,
});

export const auditEvents: List<z.infer<typeof filters>, AuditRow> = {
  name: 'audit_events',
  summary: 'Audit events, newest first',
  filters,
  row: EVENT,
  async find({ database }, { account, actor, client, request, type, from, until }, limit, after) {
    const indexed = all([
      account !== undefined && Prisma.sql`t.account_id = ${account}`,
      actor !== undefined && Prisma.sql`t.actor_id = ${actor}`,
      client !== undefined && Prisma.sql`t.client_id = ${client}`,
      request !== undefined && Prisma.sql`t.request_id = ${request}`,
      from !== undefined && Prisma.sql`t.at >= ${from}::timestamptz`,
      until !== undefined && Prisma.sql`t.at < ${until}::timestamptz`,
      after && Prisma.sql`t.at <= ${after[0]}::timestamptz and (t.at, t.id) < (${after[0]}::timestamptz, ${after[1]})`,
    ]);
    const columns = Prisma.sql`t.id, t.at, t.type, t.account_id, t.actor_id, t.client_id, t.address, t.browser, t.request_id, t.detail`;
    if (type === undefined)
      return {
        rows: await database.aside<AuditRow>(
          Prisma.sql`select ${columns} from audit_event t where ${indexed} order by t.at desc, t.id desc limit ${limit}`,
        ),
      };
    // The type has no index. One page scans at most SCANNED_ROWS and reports where it stopped.
    const looked = await database.aside<AuditRow & { seen: number }>(Prisma.sql`
      with looked as materialized (select ${columns} from audit_event t where ${indexed} order by t.at desc, t.id desc limit ${SCANNED_ROWS}),
      stopped as (select *, (select count(*)::int from looked) as seen from looked order by at, id limit 1),
      found as (select *, 0 as seen from looked where type = ${type} order by at desc, id desc limit ${limit})
      select * from found union all select * from stopped order by seen, at desc, id desc`);
    const stopped = looked.find(({ seen }) => seen > 0);
    return {
      rows: looked.filter(({ seen }) => seen === 0).map(({ seen: _, ...row }) => row),
      stoppedAt: stopped?.seen === SCANNED_ROWS ? auditEvents.positionOf(stopped) : undefined,
    };
  },
  positionOf: ({ at, id }) => [at.toISOString(), id],
};

const COUNT = z.object({ hour: z.iso.datetime(), name: z.string(), label: z.string(), count: z.int() });

export type CountRow = { hour: Date; name: string; label: string; count: number };

const countFilters = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z_]{1,60}$/)
    .optional(),
  from: moment,
  until: moment,
});

export const hourlyCounts: List<z.infer<typeof countFilters>, CountRow> = {
  name: 'hourly_counts',
  summary: 'Counts of events by hour',
  filters: countFilters,
  row: COUNT,
  async find({ database }, { name, from, until }, limit, after) {
    // There are few rows an hour, so a rare name is found quickly.
    const where = all([
      name !== undefined && Prisma.sql`t.name = ${name}`,
      from !== undefined && Prisma.sql`t.hour >= ${from}::timestamptz`,
      until !== undefined && Prisma.sql`t.hour < ${until}::timestamptz`,
      after && Prisma.sql`(t.hour, t.name, t.label) > (${after[0]}::timestamptz, ${after[1]}, ${after[2]})`,
    ]);
    const rows = await database.aside<CountRow>(Prisma.sql`
      select t.hour, t.name, t.label, t.count::float8 as count from hourly_count t where ${where} order by t.hour, t.name, t.label limit ${limit}`);
    return { rows };
  },
  positionOf: ({ hour, name, label }) => [hour.toISOString(), name, label],
};
