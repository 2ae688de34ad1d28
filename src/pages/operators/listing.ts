import { type Language, languageOf } from '../../http/language.ts';
import { findAccountRecord } from '../../people/administration.ts';
import { DAY } from '../../platform/clock.ts';
import { isStorable } from '../../platform/database.ts';
import { AppError } from '../../platform/errors.ts';
import { type OwnPage, show, type Visit } from '../own-pages.ts';
import { type AnyList, type List, readerOf, readPage } from './list.ts';

/** Owns how operators browse lists at the pages: a form with filters, a page of rows, and a link to the next. */

export type Filter = {
  name: string;
  label: string;
  /** For a choice of few values; without it, any text. */
  options?: { value: string; label: string }[];
};

export type Listed = {
  list: AnyList;
  view: string;
  filters: Filter[];
  /** Filters that take a user's address, each with the list's name for the user's id. */
  people?: Record<string, string>;
  /** The rows as the view reads them. @param query the filters as sent. */
  rows(visit: Visit, rows: never[], query: Record<string, string>): Promise<object[]>;
  /** Further data for the view. */
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

/** Reads a page of a list for the signed-in operator. @throws AppError 400 for an invalid filter or for a cursor of another list. */
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
  const page = await readPage(asked, visit.app, {
    filters: filtersOf(list, wanted),
    cursor,
    reader: readerOf({ accountId: visit.account.id }),
  });
  if (!page) throw new AppError('invalid_request', { status: 400, reason: 'cursor' });
  return page;
}

/** @throws AppError 400 for values that the list does not accept. */
export function filtersOf(list: AnyList, wanted: Record<string, string>): Record<string, unknown> {
  const judged = (list as unknown as List).filters.safeParse(wanted);
  if (!judged.success) throw new AppError('invalid_request', { status: 400, reason: judged.error.issues[0]?.path.join('.') ?? 'filter' });
  return judged.data;
}

/** The values of the page's filters, without empty ones. @throws AppError 400 for text that the database cannot store. */
export function queryOf({ ctx }: Visit, filters: Filter[]): Record<string, string> {
  const given = filters.flatMap(({ name }) => {
    const text = textOf(ctx.query[name])?.trim();
    return text ? [[name, text] as const] : [];
  });
  if (given.some(([, text]) => !isStorable(text))) throw new AppError('invalid_request', { status: 400, reason: 'unstorable_text' });
  return Object.fromEntries(given);
}

/** @returns undefined when a filter names an unknown user. */
export async function withIds(
  { ctx, app: { database } }: Visit,
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

/** A day in the time zone of the page; `until` includes its day. Other text is returned unchanged, for the filter to check. */
function momentOf(text: string, field: string, language: Language): string {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00${OFFSETS[language]}`) : undefined;
  if (!day || Number.isNaN(day.getTime())) return text;
  return new Date(day.getTime() + (field === 'until' ? DAY * 1000 : 0)).toISOString();
}

const textOf = (value: string | string[] | undefined): string | undefined => (typeof value === 'string' && value ? value : undefined);
