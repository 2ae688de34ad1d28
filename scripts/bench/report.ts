import type { Figures } from './measure.ts';
import { operationNamed } from './operations.ts';

/** Owns what comes of the slices: medians, ratios of neighbours, whether targets are met, and the table that says so. */

export type Spread = { median: number; low: number; high: number };

export type Cell = Figures & { statements?: number };

export type Row = {
  operation: string;
  /** Ours to memory: the median of the rounds' ratios, and their quartiles. */
  ratio: Spread | undefined;
  target: number;
  met: boolean | undefined;
  kinds: Record<string, Cell>;
};

export type Report = { at: string; machine: Record<string, unknown>; settings: Record<string, unknown>; rows: Row[] };

// Below this the server waits for whoever loads it or answers it, and the figure says as much of them.
const SATURATED = 0.9;

export function toRow(operation: string, slices: Record<string, Figures[]>): Row {
  const { target } = operationNamed(operation);
  const ratio = slices['ours'] && slices['memory'] ? ratioOf(slices['ours'], slices['memory']) : undefined;
  return {
    operation,
    ratio,
    target,
    met: ratio && ratio.median >= target,
    kinds: Object.fromEntries(Object.entries(slices).map(([kind, figures]) => [kind, medians(figures)])),
  };
}

/** Of slices that were taken one after the other. */
export function ratioOf(one: Figures[], other: Figures[]): Spread {
  const ratios = one.map(({ perSecond }, round) => perSecond / (other[round]?.perSecond ?? Number.NaN));
  return { median: quantile(ratios, 0.5), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) };
}

function medians(figures: Figures[]): Figures {
  const names = Object.keys(figures[0] ?? {}) as (keyof Figures)[];
  return Object.fromEntries(
    names.map((name) => [
      name,
      quantile(
        figures.map((one) => one[name]),
        0.5,
      ),
    ]),
  ) as Figures;
}

function quantile(numbers: number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [below = Number.NaN, above = Number.NaN] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return below + (above - below) * (at - Math.floor(at));
}

const COLUMNS: [string, number, (cell: Cell) => string][] = [
  ['req/s', 9, (cell) => cell.perSecond.toFixed(0)],
  ['p50 ms', 8, (cell) => cell.p50Ms.toFixed(1)],
  ['p99 ms', 8, (cell) => cell.p99Ms.toFixed(1)],
  ['server µs', 11, (cell) => cell.serverMicros.toFixed(0)],
  ['db µs', 8, (cell) => cell.databaseMicros.toFixed(0)],
  ['load µs', 9, (cell) => cell.generatorMicros.toFixed(0)],
  ['core', 7, (cell) => `${(cell.utilisation * 100).toFixed(0)}%${cell.utilisation < SATURATED ? '*' : ' '}`],
  ['stmts', 7, (cell) => cell.statements?.toFixed(1) ?? '-'],
];

/** One line a kind, and the verdict with the operation's name. */
export function renderTable(rows: Row[]): string {
  const head = `${''.padEnd(20)}${COLUMNS.map(([title, width]) => title.padStart(width)).join('')}`;
  const lines = rows.flatMap(({ operation, ratio, target, met, kinds }) => [
    `${operation}${ratio ? `   ours to memory ${showSpread(ratio)}, target ${target.toFixed(2)}: ${met ? 'met' : 'MISSED'}` : ''}`,
    ...Object.entries(kinds).map(
      ([kind, cell]) => `  ${kind.padEnd(18)}${COLUMNS.map(([, width, show]) => show(cell).padStart(width)).join('')}`,
    ),
  ]);
  return [head, ...lines, '* the core of the server was not busy all the time: the load or the database is the limit'].join('\n');
}

export function showSpread({ median, low, high }: Spread): string {
  return `${median.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}
