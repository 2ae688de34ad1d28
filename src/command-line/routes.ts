import { OWN_CLIENTS } from '../oauth/clients/first-party.ts';
import { isClientKnown } from '../oauth/clients/store.ts';
import type { Act } from '../pages/operators/act.ts';
import { type List, type ListApp, MOST_ROWS, type Position } from '../pages/operators/list.ts';
import type { Route } from '../pages/operators/route.ts';
import { findAccountRecord } from '../people/administration.ts';
import { readConfig } from '../platform/config.ts';
import { type Database, isStorable } from '../platform/database.ts';
import { type Call, type Command, DONE, type Flag, REFUSED, UsageError } from './command.ts';
import { lossOf } from './losses.ts';
import { keyRingAsWritten, ownClientStays, performAsOperator, resultOf, withDatabase } from './operator.ts';
import { flagsOf, inputFrom } from './schema-flags.ts';
import { confirmed, lines, printable, tableOf } from './terminal.ts';

/**
 * Owns the commands that are made from the routes of the admin API: `POST /people/{id}/disable` becomes `munjigi people disable ID`. What they do is
 * the act's or the list's; flags, help and columns come from their schemas.
 */

export const commandsOf = (routes: readonly Route[]): Command[] => routes.map(commandOf);

function commandOf(route: Route): Command {
  const [, noun = '', ...rest] = route.path.split('/');
  const operands = rest[0] === '{id}' ? ['ID'] : [];
  const notes = noun === 'people' && operands.length ? { notes: "  ID is the person's id or e-mail address." } : undefined;
  const base = { noun, operands, summary: route.summary, json: true, ...notes } as const;
  switch (route.kind) {
    case 'list':
      return { ...base, verb: 'list', flags: { ...flagsOf(route.list.filters), limit: LIMIT }, run: (call) => showList(route.list, call) };
    case 'one':
      return { ...base, verb: 'show', run: (call) => showOne(noun, route.find, call) };
    case 'act': {
      const last = rest.at(-1);
      const verb = last && last !== '{id}' ? last : String(route.name.split('_')[0]);
      const asks = !route.act.creates && !UNASKED.includes(verb);
      const flags = flagsOf(route.act.input);
      return { ...base, verb, flags, ...(asks ? { asks } : undefined), run: (call) => doAct(noun, verb, route.act, call) };
    }
  }
}

/** What takes nothing away and opens nothing that was not open: every other act asks first, also one that is not written yet. */
const UNASKED = ['enable', 'restore', 'rotate', 'use'];

const USUAL_LIMIT = 1_000;
const LIMIT: Flag = { type: 'string', value: 'NUMBER', help: `How many rows to show at most; ${USUAL_LIMIT} unless given.` };

async function showList(list: List, call: Call): Promise<number> {
  const limit = limitOf(call);
  const input = inputFrom(list.filters, call.flags);
  return withDatabase(async (database) => {
    const filters = list.filters.safeParse(await byIds(database, input));
    if (!filters.success)
      throw new UsageError(filters.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`).join('; '));
    if (!isStorable(filters.data)) throw new UsageError('text must not contain NUL or unpaired surrogates');
    const { rows, more } = await readRows(list, appOf(database), filters.data, limit);
    if (call.json) print(rows);
    else console.log(tableOf(Object.keys((list.row as unknown as { shape: object }).shape), rows as object[]));
    if (more) console.error(`\nThere are more rows than ${limit}. Narrow the list with a flag, or raise --limit.`);
    return DONE;
  });
}

function limitOf({ flags: { limit = String(USUAL_LIMIT) } }: Call): number {
  if (!/^[1-9]\d{0,6}$/.test(String(limit))) throw new UsageError(`--limit: ${JSON.stringify(limit)} is no whole number from 1`);
  return Number(limit);
}

/** Page after page, as the API's callers do: each statement reads a bounded part of a table. */
async function readRows(list: List, app: ListApp, filters: Record<string, unknown>, limit: number) {
  const rows: unknown[] = [];
  let after: Position | undefined;
  do {
    const found = await list.find(app, filters, MOST_ROWS + 1, after);
    const page = found.rows.slice(0, MOST_ROWS);
    rows.push(...page);
    after = found.rows.length > MOST_ROWS ? list.positionOf(page.at(-1)) : found.stoppedAt;
  } while (after && rows.length <= limit);
  return { rows: rows.slice(0, limit), more: rows.length > limit };
}

/** The keys are read only by a list that needs them: the others work with DATABASE_URL alone. */
const appOf = (database: Database): ListApp => ({
  database,
  get keyRing() {
    return keyRingAsWritten(readConfig());
  },
});

async function showOne(noun: string, find: (database: Database, id: string) => Promise<unknown>, call: Call): Promise<number> {
  return withDatabase(async (database) => {
    const target = await targetOf(database, noun, call);
    const found = isStorable(target) ? await find(database, target) : undefined;
    if (!found) throw new Error(`there is no ${about(noun, target)}`);
    if (call.json) print(found);
    else console.log(lines(found));
    return DONE;
  });
}

async function doAct(noun: string, verb: string, act: Act, call: Call): Promise<number> {
  const given = inputFrom(act.input, call.flags);
  return withDatabase(async (database) => {
    const target = await targetOf(database, noun, call);
    const what = target ? about(noun, target) : noun;
    // Before the operator is asked about an act that the server would refuse.
    if (noun === 'clients' && OWN_CLIENTS.includes(target)) throw new Error(ownClientStays(what));
    const asks = !act.creates && !UNASKED.includes(verb);
    if (asks && !call.yes) {
      const loss = await lossOf(database, noun, verb, target);
      if (!(await confirmed(`${verb} ${what}${loss ? `, ${loss}` : ''}. ${act.summary}. Go on?`, false))) return REFUSED;
    }
    const result = resultOf(await performAsOperator(database, act, { target, input: await byIds(database, given) }), what);
    if (call.json) print(result);
    else console.log([`Done: ${[noun, verb, printable(target)].filter(Boolean).join(' ')}`, ...shown(result as object, target)].join('\n'));
    return DONE;
  });
}

/** What a result says beside the target; a list in it is a table of its own. */
function shown(result: object, target: string): string[] {
  const entries = Object.entries(result).filter(([, value]) => value !== target);
  const tables = entries.filter(([, value]) => Array.isArray(value) && value.every((row) => typeof row === 'object'));
  const rest = Object.fromEntries(entries.filter(([name]) => !tables.some(([known]) => known === name)));
  return [
    ...(Object.keys(rest).length ? [lines(rest)] : []),
    ...tables.map(([name, rows]) => (rows.length ? tableOf(Object.keys(rows[0]), rows) : `${name}: none`)),
  ];
}

/** Operators know users by their addresses. @throws Error where no user has it. */
async function accountId(database: Database, named: string): Promise<string> {
  if (!named.includes('@')) return named;
  const account = isStorable(named) ? await findAccountRecord(database, named) : null;
  if (!account) throw new Error(`there is no ${about('people', named)}`);
  return account.id;
}

const targetOf = async (database: Database, noun: string, { operands: [target = ''] }: Call): Promise<string> =>
  noun === 'people' ? accountId(database, target) : target;

/** The same for flags. A client that there is not is a mistake here, and no empty list. */
async function byIds(database: Database, input: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { account, client } = input;
  if (typeof client === 'string' && !(isStorable(client) && (await isClientKnown(database, client))))
    throw new Error(`there is no ${about('clients', client)}`);
  return typeof account === 'string' ? { ...input, account: await accountId(database, account) } : input;
}

/** How a target reads. A user may have written a token itself instead of its handle: the command does not repeat it. */
function about(noun: string, target: string): string {
  if (noun === 'tokens') return 'live token of this handle';
  return `${noun === 'people' ? 'person' : noun.replaceAll('-', ' ').replace(/s$/, '')} ${printable(target)}`;
}

const print = (value: unknown): void => console.log(JSON.stringify(value, null, 2));
