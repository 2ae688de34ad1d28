import { type Language, languageOf } from '../../http/language.ts';
import { findAccountRecord } from '../../people/administration.ts';
import { DAY } from '../../platform/clock.ts';
import { isStorable } from '../../platform/database.ts';
import { AppError } from '../../platform/errors.ts';
import { type OwnPage, show, type Visit } from '../own-pages.ts';
import { type AnyList, type List, readerOf, readPage } from './list.ts';

/** Owns how operators look through what there is at our pages: a form that narrows it down, a page of rows, and the way to the next. */

export type Filter = {
  name: string;
  label: string;
  /** For one of a few; any text otherwise. */
  options?: { value: string; label: string }[];
};

export type Listed = {
  list: AnyList;
  view: string;
  filters: Filter[];
  /** Those of the filters that take a person's address, and what the list calls the person's id. */
  people?: Record<string, string>;
  /** The rows as the view reads them. @param query what was asked, as it was asked. */
  rows(visit: Visit, rows: never[], query: Record<string, string>): Promise<object[]>;
  /** What else the view reads. */
  more?(visit: Visit): Record<string, unknown>;
};

export function listPage({ list, view, filters, people = {}, rows, more }: Listed): OwnPage {
  return {
    async show(visit) {
      const query = queryOf(visit, filters);
      const cursor = textOf(visit.ctx.query['cursor']);
      const found = await readListed(visit, { list, people, query, cursor });
      show(visit, view, {
        ...more?.(visit),
        rows: await rows(visit, found.rows as never[], query),
        filters: filters.map((filter) => ({ ...filter, value: query[filter.name] ?? '' })),
        narrowed: Object.keys(query).length > 0,
        first: cursor === undefined,
        path: visit.ctx.path,
        query: new URLSearchParams(query).toString(),
        nextQuery: found.next && new URLSearchParams({ ...query, cursor: found.next }).toString(),
      });
    },
  };
}

/** A page of a list, for who is here. @throws AppError 400 for a filter that makes no sense and for a cursor that was not given for this. */
async function readListed(
  visit: Visit,
  {
    list,
    people,
    query,
    cursor,
  }: { list: AnyList; people: Record<string, string>; query: Record<string, string>; cursor: string | undefined },
) {
  const wanted = await withIds(visit, query, people);
  if (!wanted) return { rows: [], next: undefined };
  const asked = list as unknown as List;
  const page = await readPage(asked, visit.services, {
    filters: filtersOf(list, wanted),
    cursor,
    reader: readerOf({ accountId: visit.account.id }),
  });
  if (!page) throw new AppError('invalid_request', { status: 400, reason: 'cursor' });
  return page;
}

/** @throws AppError 400 for what no list knows. */
export function filtersOf(list: AnyList, wanted: Record<string, string>): Record<string, unknown> {
  const judged = (list as unknown as List).filters.safeParse(wanted);
  if (!judged.success) throw new AppError('invalid_request', { status: 400, reason: judged.error.issues[0]?.path.join('.') ?? 'filter' });
  return judged.data;
}

/** What was asked of the filters that a page has; empty ones are none. @throws AppError 400 for what nothing can keep. */
export function queryOf({ ctx }: Visit, filters: Filter[]): Record<string, string> {
  const given = filters.flatMap(({ name }) => {
    const text = textOf(ctx.query[name])?.trim();
    return text ? [[name, text] as const] : [];
  });
  if (given.some(([, text]) => !isStorable(text))) throw new AppError('invalid_request', { status: 400, reason: 'unstorable_text' });
  return Object.fromEntries(given);
}

/** @returns undefined when it is about somebody whom nobody knows. */
export async function withIds(
  { ctx, services: { database } }: Visit,
  query: Record<string, string>,
  people: Record<string, string>,
): Promise<Record<string, string> | undefined> {
  const wanted = { ...query };
  for (const field of ['from', 'until']) if (wanted[field] !== undefined) wanted[field] = momentOf(wanted[field], field, languageOf(ctx));
  for (const [field, id] of Object.entries(people)) {
    const email = query[field];
    if (email === undefined) continue;
    const person = await findAccountRecord(database, email);
    if (!person) return undefined;
    delete wanted[field];
    wanted[id] = person.id;
  }
  return wanted;
}

const OFFSETS: Record<Language, string> = { ko: '+09:00', en: 'Z' };

/** A day by the clock that the page goes by, the last one included; what is no day is left as it is, to be judged. */
function momentOf(text: string, field: string, language: Language): string {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00${OFFSETS[language]}`) : undefined;
  if (!day || Number.isNaN(day.getTime())) return text;
  return new Date(day.getTime() + (field === 'until' ? DAY * 1000 : 0)).toISOString();
}

const textOf = (value: string | string[] | undefined): string | undefined => (typeof value === 'string' && value ? value : undefined);
