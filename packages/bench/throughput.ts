import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../scripts/bootstrap/node.mjs';
import { startPostgres } from '../../scripts/bootstrap/postgres.mjs';
import { drawChart } from './chart.ts';
import { type Arena, countAllStatements, enter } from './contestants.ts';
import { describeMachine, layOut, pin } from './machine.ts';
import { measure } from './measure.ts';
import { type Options, readOptions } from './options.ts';
import { profileOperation } from './profile.ts';
import { type Report, render, renderComparison, toRow } from './report.ts';

/** `npm run bench`: options.ts says what it can be asked, and `--help` shows that. */

const DATA_DIR = join(ROOT, '.data/bench');
const LAST = join(DATA_DIR, 'throughput.json');
// The same for all kinds. Waiting for a disk at each commit is what synchronous_commit=off leaves out: a disk is not what is measured.
const POSTGRES = ['shared_buffers=4GB', 'synchronous_commit=off', 'max_connections=200', 'max_wal_size=8GB', 'checkpoint_timeout=30min'];

async function main(options: Options): Promise<void> {
  if (options.profile) return onPostgres(options, (arena) => profile(options, arena));
  const report = options.from ? readReport(options.from) : await onPostgres(options, (arena, pid) => run(options, arena, pid));
  process.stdout.write(`${render(report)}\n`);
  if (options.compare) process.stdout.write(`${renderComparison(report, readReport(options.compare))}\n`);
  for (const file of [options.from ? undefined : LAST, options.json]) if (file) writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  if (options.svg) writeFileSync(options.svg, drawChart(report));
  if (options.check && report.rows.some(({ met }) => !met)) process.exitCode = 1;
}

/** A PostgreSQL of the bench's own, and this process where it belongs. */
async function onPostgres<Result>({ workers }: Options, work: (arena: Arena, databasePid: number) => Promise<Result>): Promise<Result> {
  mkdirSync(DATA_DIR, { recursive: true });
  const layout = layOut(Math.max(1, ...workers));
  // The database may run where its starter might.
  pin(process.pid, layout.database);
  const postgres = await startPostgres(DATA_DIR, { flags: POSTGRES });
  pin(process.pid, layout.generator);
  // The database has a session of its own, and would outlive us.
  const interrupted = () => void postgres.stop().finally(() => process.exit(130));
  process.once('SIGINT', interrupted);
  try {
    const pid = Number(readFileSync(join(DATA_DIR, 'postgres/postmaster.pid'), 'latin1').split('\n')[0]);
    // One that an interrupted run left behind is taken over.
    pin(pid, layout.database);
    return await work({ postgresUrl: postgres.url, dataDir: DATA_DIR, progress }, pid);
  } finally {
    progress('');
    process.off('SIGINT', interrupted);
    await postgres.stop();
  }
}

async function run(options: Options, arena: Arena, databasePid: number): Promise<Report> {
  const { contestants, account, sizes } = await enter(options, arena);
  const rows = [];
  try {
    for (const name of options.operations) {
      const able = contestants.filter(({ server }) => !server.lacks.includes(name));
      rows.push(toRow(name, await measure(name, able, { ...options, databasePid, progress })));
    }
  } finally {
    await Promise.all(contestants.map(({ server }) => server.stop()));
  }
  const counts = options.workers.length ? {} : await countAllStatements(options, arena, account);
  for (const { operation, kinds } of rows) for (const [kind, cell] of Object.entries(kinds)) cell.statements = counts[kind]?.[operation];
  const { rounds, seconds, connections, workers } = options;
  return {
    at: new Date().toISOString(),
    machine: describeMachine(),
    settings: { rounds, seconds, connections, rows: options.rows, postgres: POSTGRES, cores: layOut(Math.max(1, ...workers)) },
    sizes,
    rows,
  };
}

async function profile(options: Options, arena: Arena): Promise<void> {
  const { contestants } = await enter({ ...options, kinds: options.kinds.slice(0, 1) }, arena);
  try {
    for (const contestant of contestants) {
      for (const name of options.operations) {
        progress(`${contestant.label}: ${name} under the profiler`);
        const lines = await profileOperation(name, contestant, options.seconds * options.rounds, DATA_DIR);
        process.stdout.write(`${lines}\n`);
      }
    }
  } finally {
    await Promise.all(contestants.map(({ server }) => server.stop()));
  }
}

function readReport(file: string): Report {
  return JSON.parse(readFileSync(file, 'utf8')) as Report;
}

function progress(what: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r  ${what}`.padEnd(78) : what && `  ${what}\n`);
}

try {
  const options = readOptions();
  if (options) await main(options);
} catch (error) {
  console.error(error instanceof Error && error.name === 'OptionError' ? error.message : error);
  process.exitCode = 2;
}
