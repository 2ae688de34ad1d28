import { Readable } from 'node:stream';
import { AT_THE_MACHINE, type EventType } from '../../../audit/events.ts';
import { recordActEvent } from '../../../pages/operators/act.ts';
import { actingApp, insistOn } from '../../../pages/operators/acting.ts';
import { type Filter, filtersOf, listPage, queryOf, withIds } from '../../../pages/operators/listing.ts';
import { namesOf } from '../../../pages/operators/named.ts';
import { backTo, type OwnPage, type Visit } from '../../../pages/own-pages.ts';
import { mayDo } from '../../../pages/permissions.ts';
import type { Database } from '../../../platform/database.ts';
import * as auditLists from '../lists/audit.ts';
import { type AuditRow, auditEvents } from '../lists/audit.ts';

/** Owns the audit log as a page, and as a file for storage elsewhere. */

const FILTERS: Filter[] = [
  { name: 'person', label: 'admin.audit.person' },
  { name: 'operator', label: 'admin.audit.actor' },
  { name: 'client', label: 'admin.client_id' },
  { name: 'type', label: 'admin.audit.type' },
  { name: 'request', label: 'admin.audit.request' },
  { name: 'from', label: 'admin.audit.from' },
  { name: 'until', label: 'admin.audit.until' },
];

const PEOPLE = { person: 'account', operator: 'actor' };

const list = listPage({
  list: auditLists.auditEvents,
  view: 'admin/audit',
  filters: FILTERS,
  people: PEOPLE,
  more: ({ account }) => ({ may: mayDo(account.role, 'admin:audit') }),
  async rows({ app }, rows: AuditRow[]) {
    const names = await namesOf(app.database, {
      people: rows.flatMap((row) => [row.account_id, row.actor_id]),
      clients: rows.flatMap((row) => [row.client_id, byOf(row)]),
    });
    return rows.map((row) => ({
      ...row,
      person: names.person(row.account_id),
      actor: names.person(row.actor_id),
      client: names.client(row.client_id),
      by: names.client(byOf(row)),
      atTheMachine: row.request_id === AT_THE_MACHINE,
      detail: Object.entries(row.detail)
        .filter(([name]) => name !== 'by')
        .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`),
    }));
  },
});

/** @returns the client through which an operator acted at the admin API, or that acted for itself. */
const byOf = ({ detail }: AuditRow): string | null => (typeof detail['by'] === 'string' ? detail['by'] : null);

export const audit: OwnPage = {
  show: (visit) => list.show(visit),

  /** Exports the events that match the page's filters, as JSON Lines. The export is recorded before the first line is sent. */
  async submit(visit, form) {
    insistOn(visit, 'admin:audit');
    const { ctx, app } = visit;
    const query = queryOf({ ...visit, ctx: { query: Object.fromEntries(form) } as unknown as Visit['ctx'] }, FILTERS);
    const wanted = await withIds(visit, query, PEOPLE);
    if (!wanted) return backTo(visit, '/admin/audit', false);
    const filters = filtersOf(auditEvents, wanted);
    const event: { type: EventType; detail: Record<string, string> } = { type: 'audit_exported', detail: wanted };
    await app.database.change(recordActEvent(actingApp(visit), event));
    ctx.status = 200;
    ctx.type = 'application/jsonl; charset=utf-8';
    ctx.attachment('audit.jsonl');
    ctx.set('Cache-Control', 'no-store');
    ctx.body = Readable.from(lines(app.database, filters));
  },
};

const A_BATCH = 500;

/** Yields one event a line and reads batches, so that memory use stays constant. Events that happen during the export are not included. */
async function* lines(database: Database, filters: Record<string, unknown>): AsyncGenerator<string> {
  let after: string[] | undefined;
  do {
    const { rows, stoppedAt } = await auditEvents.find({ database, keyRing: undefined as never }, filters, A_BATCH, after);
    if (rows.length) yield `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
    const last = rows.at(-1);
    after = rows.length === A_BATCH && last ? auditEvents.positionOf(last) : stoppedAt;
  } while (after);
}
