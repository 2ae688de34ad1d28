import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../bootstrap/node.mjs';
import type { Outcome } from './fault.ts';

/** The rows as a table, and docs/operate/faults.md as the place where the figures stand. */

export type Row = {
  id: string;
  title: string;
  passes: string;
  /** The version of PostgreSQL. */
  postgres: string;
  /** How long the trial took. */
  seconds: number;
  verdict: 'held' | 'not held' | 'not measured';
  outcome?: Outcome;
  /** Why it did not hold, or was not measured. */
  why: string;
};

const HEAD = [
  '#',
  'fault',
  'what was done',
  'sent',
  'refused (503)',
  'failed',
  'good again',
  'facts lost',
  'figures',
  'measured with',
  'result',
];

export const asTable = (rows: Row[]): string => [lineOf(HEAD), lineOf(HEAD.map(() => '---')), ...rows.map(asLine)].join('\n');

const lineOf = (cells: string[]) => `| ${cells.join(' | ')} |`;

function asLine({ id, title, verdict, outcome, why, postgres }: Row): string {
  const result = why ? `${verdict}: ${why.split('\n')[0]}` : verdict;
  if (!outcome) return lineOf([id, title, '', '', '', '', '', '', '', '', result]);
  const { did, sent, refused, failed, goodAgainSeconds, facts, lost, figures, balancer } = outcome;
  const again = goodAgainSeconds === undefined ? '' : `${goodAgainSeconds.toFixed(1)} s`;
  const numbers = [sent, refused, failed].map((number) => number?.toLocaleString('en') ?? '');
  const lostOf = facts && lost !== undefined ? `${lost} of ${facts.toLocaleString('en')}` : '';
  const measuredWith = [`PostgreSQL ${postgres}`, balancer].filter(Boolean).join(', ');
  return lineOf([id, title, did, ...numbers, again, lostOf, figures ?? '', measuredWith, result]);
}

const DOCUMENT = join(ROOT, 'docs/operate/faults.md');
const [BEGIN, END] = ['<!-- npm run faults: begin -->', '<!-- npm run faults: end -->'];

/** Replaces rows in the document between its markers; rows that were not played stay. @throws Error without markers. */
export function writeTable(rows: Row[]): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/operate/faults.md must have a line "${BEGIN}" and a line "${END}"`);
  const lines = new Map([...text.slice(from, to).matchAll(/^\| (F\d+) .*$/gm)].map(([line, id]) => [id as string, line]));
  for (const row of rows) lines.set(row.id, asLine(row));
  const inOrder = [...lines].sort(([a], [b]) => Number(a.slice(1)) - Number(b.slice(1))).map(([, line]) => line);
  const table = [BEGIN, '', lineOf(HEAD), lineOf(HEAD.map(() => '---')), ...inOrder, '', ''].join('\n');
  writeFileSync(DOCUMENT, text.slice(0, from) + table + text.slice(to));
}
