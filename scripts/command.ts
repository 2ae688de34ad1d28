import { createInterface } from 'node:readline/promises';
import { AT_THE_MACHINE } from '../src/audit/events.ts';
import { ADMIN_SCOPES } from '../src/oauth/scopes/admin-scopes.ts';
import { type Act, type Doing, type Outcome, perform, type Reason } from '../src/pages/operators/act.ts';
import { type Config, readConfig, readDatabaseUrl } from '../src/platform/config.ts';
import { type Database, openDatabase } from '../src/platform/database.ts';
import { inUse, type KnownKey, readKeyUse } from '../src/platform/key-use.ts';
import { createLog } from '../src/platform/log.ts';
import { KeyRing } from '../src/platform/secrets.ts';

/** What the operator's commands share: how they fail, ask, reach the database, do what the admin pages do, and print a table. */

/** An argument that makes no sense: the sentence is followed by the command's help. */
export class UsageError extends Error {}

/** Runs a command. @param work its exit code; an error is one sentence on stderr and exit code 1. */
export async function runCommand(name: string, help: string, work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const misused = error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS');
    console.error(`${name}: ${message}${misused ? `\n\n${help.trimEnd()}` : ''}`);
    process.exitCode = 1;
  }
}

/** @throws Error when there is nobody to ask. */
export async function confirmed(question: string, yes: boolean | undefined): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) throw new Error('nobody is there to ask: add --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [y/N] `).finally(() => terminal.close());
  return /^y(es)?$/i.test(answer);
}

/** The database at DATABASE_URL, for as long as the work takes. */
export async function withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase(readDatabaseUrl(), createLog('silent'));
  return work(database).finally(() => database.close());
}

/** From where an operator's acts are recorded to come: see audit/events.ts. */
export const OPERATOR = { address: '', browser: undefined, requestId: AT_THE_MACHINE };

/** What the server would read and write with. */
export const keyRingInUse = (config: Config, known: KnownKey[]) => new KeyRing(inUse(config, known).dataEncryptionKeys);

/** Does what the admin pages and the admin API do, in the same way and told alike, as who may do everything. What takes the server's environment reads it then. */
export async function performAsOperator<Input, Result>(
  database: Database,
  act: Act<Input, Result>,
  wish: { target?: string; input?: Input },
): Promise<Outcome<Result>> {
  const known = await readKeyUse(database);
  const doing: Doing = {
    database,
    get config() {
      return readConfig();
    },
    get keyRing() {
      return keyRingInUse(readConfig(), known);
    },
    actor: { may: ADMIN_SCOPES, from: OPERATOR, atTheMachine: true },
  };
  return perform(act, doing, wish);
}

/** @returns what was done; undefined where there is nothing of that name. @throws Error with the sentence of why else it was not. */
export function resultOf<Result>(outcome: Outcome<Result>, about: string): Result | undefined {
  if (outcome.ok) return outcome.result;
  if (outcome.reason === 'unknown') return undefined;
  const problems = outcome.problems?.map(({ field, detail }) => [field, detail].filter(Boolean).join(' ')).join('; ');
  throw new Error(problems ?? REFUSALS[outcome.reason]?.(about) ?? `${about}: ${outcome.reason}`);
}

/** Said before anybody is asked whether they are certain, too. */
export const ownClientStays = (clientId: string) => `${clientId} is this server's own, and stays as it is`;

const REFUSALS: Partial<Record<Reason, (about: string) => string>> = {
  own_client: ownClientStays,
  taken: (email) => `there is an account ${email} already`,
  changed: () => 'somebody else changed it at the same time: look at it again',
  ambiguous: () => 'the handle names more than one token: end their grants instead',
};

/** Somebody else's text as JSON, without the characters that a terminal obeys or hides. */
export function quoted(value: unknown): string {
  return JSON.stringify(value).replace(/\p{C}/gu, (character) =>
    [...character].map((part) => `\\u{${part.codePointAt(0)?.toString(16)}}`).join(''),
  );
}

/** Columns as wide as their widest cell. @param rows the first one has the titles. */
export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A moment to the second, in UTC. */
export function moment(date: Date | null): string {
  return date ? `${date.toISOString().slice(0, 19)}Z` : '-';
}
