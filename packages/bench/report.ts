import type { TableSize } from './fill.ts';
import type { Figures } from './measure.ts';
import { operationNamed } from './operations.ts';
import { REQUEST_LIMITS } from './servers.ts';

/** Owns what comes of the slices: medians, ratios of neighbours, whether targets are met, and the tables that say so. */

export type Spread = { median: number; low: number; high: number };
export type Cell = Figures & { statements?: number | undefined };

export type Row = {
  operation: string;
  /** Ours to memory, requests a second: the median of the rounds' ratios, and their quartiles. */
  ratio?: Spread;
  /** The same of the server's CPU a request, memory's to ours: what the ratio would be if nothing but the server were the limit. */
  cpuRatio?: Spread;
  /** Ours to each of the others; without ours, each to the first. */
  against: Record<string, Spread>;
  target: number;
  /** Unknown when others used the machine in nearly every round. */
  met?: boolean;
  kinds: Record<string, Cell>;
};

export type Report = {
  at: string;
  machine: { cores: number; model: string; node: string };
  settings: {
    rounds: number;
    seconds: number;
    connections: number;
    rows: number;
    postgres: string[];
    cores: { server: string; database: string; generator: string };
  };
  sizes: Record<string, TableSize[]>;
  rows: Row[];
};

// Below this the server waits for the load generator or the database, so the figure measures them too.
const SATURATED = 0.9;
// When strangers use more of a core than this, they take it from those who are measured.
const DISTURBED = 0.25;
// So many rounds in which they did not are worth more than all of them together.
const CALM_ENOUGH = 3;
// Who must be left behind, where it took part: the peer that does the least.
const RIVALS: Record<string, string> = { introspection: 'oauth2-server' };

/** @param slices of each kind, one a round. */
export function toRow(operation: string, slices: Record<string, Figures[]>): Row {
  const { target } = operationNamed(operation);
  const { ours, memory } = slices;
  const kinds = Object.fromEntries(Object.entries(slices).map(([kind, figures]) => [kind, medians(calmRounds(figures).figures)]));
  const against = Object.fromEntries(
    Object.entries(slices)
      .filter(([kind]) => kind !== 'ours')
      .map(([kind, figures]) => [kind, ours ? spreadOf(ours, figures, throughput) : spreadOf(figures, baseOf(slices), throughput)]),
  );
  const ratio = against['memory'];
  if (!ours || !memory || !ratio) return { operation, against, target, kinds };
  const rival = slices[RIVALS[operation] ?? ''];
  const settled = [memory, ...(rival ? [rival] : [])].every((other) => calmRounds(ours, other).calm);
  return {
    operation,
    ratio,
    cpuRatio: spreadOf(ours, memory, (one, other) => other.serverMicros / one.serverMicros),
    against,
    target,
    ...(settled ? { met: ratio.median >= target && (!rival || spreadOf(ours, rival, throughput).median > 1) } : undefined),
    kinds,
  };
}

const throughput = (one: Figures, other: Figures) => one.perSecond / other.perSecond;

/** Without ours, such as with several numbers of workers, each is set against the first. */
function baseOf(slices: Record<string, Figures[]>): Figures[] {
  return Object.values(slices)[0] as Figures[];
}

/** Of slices that were taken one after the other. */
function spreadOf(ours: Figures[], others: Figures[], ratio: (one: Figures, other: Figures) => number): Spread {
  const { figures, beside } = calmRounds(ours, others);
  const ratios = figures.map((one, round) => ratio(one, beside[round] as Figures));
  return { median: quantile(ratios, 0.5), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) };
}

/** The rounds that nobody disturbed, neither the one nor what is set beside it; all of them when those are too few. */
function calmRounds(figures: Figures[], beside = figures): { figures: Figures[]; beside: Figures[]; calm: boolean } {
  const rounds = figures.map((_, round) => round);
  const calm = rounds.filter((round) => ![figures[round], beside[round]].some((one) => (one?.others ?? 0) > DISTURBED));
  if (calm.length < Math.min(CALM_ENOUGH, rounds.length)) return { figures, beside, calm: false };
  const kept = (all: Figures[]) => calm.map((round) => all[round] as Figures);
  return { figures: kept(figures), beside: kept(beside), calm: true };
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

const percent = (share: number) => `${(share * 100).toFixed(0)}%`;
const COLUMNS: [string, number, (cell: Cell) => string][] = [
  ['req/s', 9, (cell) => cell.perSecond.toFixed(0)],
  ['p50 ms', 8, (cell) => cell.p50Ms.toFixed(1)],
  ['p99 ms', 8, (cell) => cell.p99Ms.toFixed(1)],
  ['server µs', 11, (cell) => cell.serverMicros.toFixed(0)],
  ['db µs', 7, (cell) => cell.databaseMicros.toFixed(0)],
  ['load µs', 9, (cell) => cell.generatorMicros.toFixed(0)],
  ['stmts', 7, (cell) => cell.statements?.toFixed(1) ?? ''],
  ['core', 8, (cell) => `${percent(cell.utilisation)}${cell.utilisation < SATURATED ? '*' : ' '}`],
  ['others', 8, (cell) => `${percent(cell.others)}${cell.others > DISTURBED ? '!' : ' '}`],
];

/** One line a kind, and for each operation the verdict. */
export function render({ at, machine, settings, sizes, rows }: Report): string {
  const { cores, postgres } = settings;
  const head = `${''.padEnd(20)}${COLUMNS.map(([title, width]) => title.padStart(width)).join('')}`;
  const lines = rows.flatMap((row) => [
    `${row.operation}${verdict(row)}`,
    ...Object.entries(row.kinds).map(
      ([kind, cell]) => `  ${kind.padEnd(18)}${COLUMNS.map(([, width, show]) => show(cell).padStart(width)).join('')}`,
    ),
  ]);
  return [
    `${at}, ${machine.model}, ${machine.cores} cores, Node ${machine.node}`,
    `cores: server ${cores.server}, database ${cores.database}, load ${cores.generator}; PostgreSQL: ${postgres.join(' ')}`,
    `limits of ours: ${REQUEST_LIMITS} a minute`,
    `${settings.rounds} slices of ${settings.seconds} s each, ${settings.connections} connections${settings.rows ? `, ${settings.rows} tokens` : ''}`,
    ...renderSizes(sizes),
    head,
    ...lines,
    '* the core of the server was not busy all the time: the load, the database or somebody else is the limit',
    '! how much of a core others used meanwhile; rounds with more than a quarter do not count where three are without: if none are, the ratio by CPU says more',
  ].join('\n');
}

function verdict({ ratio, cpuRatio, against, target, met, kinds }: Row): string {
  if (!kinds['ours']) {
    const [first, ...rest] = Object.entries(against);
    return rest.length ? `   ${rest.map(([kind, spread]) => `${kind} ${showSpread(spread)} of ${first?.[0]}`).join('; ')}` : '';
  }
  const others = Object.entries(against)
    .filter(([kind]) => kind !== 'memory')
    .map(([kind, spread]) => `${showSpread(spread)} of ${kind}`);
  if (!ratio || !cpuRatio) return others.length ? `   ours ${others.join(', ')}` : '';
  return `   ours ${[`${showSpread(ratio)} of memory, by CPU ${showSpread(cpuRatio)}, target ${target.toFixed(2)}: ${met === undefined ? 'NOT SETTLED, others used this machine' : met ? 'met' : 'MISSED'}`, ...others].join('; ')}`;
}

function showSpread({ median, low, high }: Spread): string {
  return `${median.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`;
}

function renderSizes(sizes: Record<string, TableSize[]>): string[] {
  const mega = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MB`;
  return Object.entries(sizes).flatMap(([kind, tables]) =>
    tables.map(
      ({ table, rows, tableBytes, indexBytes }) =>
        `  ${kind.padEnd(14)} ${table.padEnd(16)} ${rows.toLocaleString('en').padStart(12)} rows  table ${mega(tableBytes).padStart(8)}  indexes ${mega(indexBytes).padStart(8)}`,
    ),
  );
}

/** What changed from one run to another: each ratio and each cost, before and now. */
export function renderComparison(now: Report, before: Report): string {
  const change = (was: number | undefined, is: number | undefined, digits: number) =>
    was === undefined || is === undefined ? '-' : `${was.toFixed(digits)} -> ${is.toFixed(digits)} (${percent(is / was)})`;
  const lines = now.rows.flatMap(({ operation, ratio, kinds }) => {
    const then = before.rows.find((row) => row.operation === operation);
    if (!then) return [];
    return [
      `${operation.padEnd(20)}ratio ${change(then.ratio?.median, ratio?.median, 2)}`,
      ...Object.entries(kinds).map(
        ([kind, cell]) =>
          `  ${kind.padEnd(18)}req/s ${change(then.kinds[kind]?.perSecond, cell.perSecond, 0)}, server µs ${change(then.kinds[kind]?.serverMicros, cell.serverMicros, 0)}, db µs ${change(then.kinds[kind]?.databaseMicros, cell.databaseMicros, 0)}`,
      ),
    ];
  });
  const about = ({ at, settings }: Report) => `${at}${settings.rows ? ` with ${settings.rows} tokens` : ''}`;
  return [`\nfrom ${about(before)} to ${about(now)}`, ...lines].join('\n');
}
