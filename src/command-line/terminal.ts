import { createInterface } from 'node:readline/promises';

/** Owns what a terminal shows and answers: questions, tables, and texts of others that must not steer it. */

/** @returns whether the user said yes. @throws Error where there is no terminal to ask at. */
export async function confirmed(question: string, yes: boolean | undefined): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) throw new Error('there is no terminal to ask at: add --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [y/N] `).finally(() => terminal.close());
  return /^y(es)?$/i.test(answer);
}

/** A text without the characters that a terminal obeys or hides: they are shown by their numbers. */
export const printable = (text: string): string =>
  text.replace(/\p{C}/gu, (character) => [...character].map((part) => `\\u{${part.codePointAt(0)?.toString(16)}}`).join(''));

/** Another's text as JSON, printable. */
export const quoted = (value: unknown): string => printable(JSON.stringify(value));

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
export const moment = (date: Date | null): string => (date ? `${date.toISOString().slice(0, 19)}Z` : '-');

/** One value of a row as a cell. */
export function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (value instanceof Date) return moment(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return value.map(cell).join() || '-';
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

/** A table of rows that are objects. @param members in order; the titles are made of them. */
export const tableOf = (members: readonly string[], rows: readonly object[]): string =>
  table([
    members.map((name) => name.replaceAll('_', ' ').toUpperCase()),
    ...rows.map((row) => members.map((name) => cell((row as Record<string, unknown>)[name]))),
  ]);

/** One object, a member a line. The members of an object within it are lines of their own. */
export function lines(row: object): string {
  const pairs = Object.entries(row).flatMap(([name, value]) =>
    value !== null && typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date)
      ? Object.entries(value).map(([inner, each]) => [printable(`${name}.${inner}`), cell(each)])
      : [[printable(name), cell(value)]],
  );
  return table(pairs);
}
