import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../bootstrap/node.mjs';
import { startPostgres } from '../bootstrap/postgres.mjs';
import { freshDatabase, prepareTemplate, TEMPLATE } from './fixtures.ts';
import { GRANT_INDEX } from './kinds/library.ts';
import { createLoad } from './load.ts';
import { describeMachine, layOut, pin } from './machine.ts';
import { type Contestant, measure } from './measure.ts';
import { type Options, readOptions } from './options.ts';
import { type Report, renderTable, toRow } from './report.ts';
import { startBenchServer } from './servers.ts';
import { runSql } from './sql.ts';
import { Supplies } from './supplies.ts';

/** `npm run bench`: see options.ts for what it does. */

const DATA_DIR = join(ROOT, '.data/bench');
// The same for all kinds. A server in production would want synchronous_commit; it waits for a disk, which is not what is measured.
const POSTGRES = ['shared_buffers=512MB', 'synchronous_commit=off', 'max_connections=100'];

async function main(options: Options): Promise<Report> {
  mkdirSync(DATA_DIR, { recursive: true });
  const layout = layOut(1);
  // Before the database starts: it inherits where it may run.
  pin(process.pid, layout.database);
  const postgres = await startPostgres(DATA_DIR, { flags: POSTGRES });
  pin(process.pid, layout.generator);
  try {
    const contestants = await enter(options, postgres.url);
    const databasePid = Number(readFileSync(join(DATA_DIR, 'postgres/postmaster.pid'), 'latin1').split('\n')[0]);
    const rows = [];
    for (const name of options.operations) rows.push(toRow(name, await measure(name, contestants, { ...options, databasePid, progress })));
    await Promise.all(contestants.map(({ server }) => server.stop()));
    progress('');
    return {
      at: new Date().toISOString(),
      machine: describeMachine(),
      settings: { ...options, postgres: POSTGRES, cores: layout },
      rows,
    };
  } finally {
    await postgres.stop();
  }
}

/** A database and a server for each kind. Those that are not under load are idle, and cost nothing. */
async function enter({ kinds, connections }: Options, postgresUrl: string): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  const account = await prepareTemplate(postgresUrl);
  for (const kind of kinds) {
    progress(`${kind} starts`);
    const url = await freshDatabase(postgresUrl, `bench_${kind}`, TEMPLATE);
    if (kind === 'prisma') await runSql(url, GRANT_INDEX);
    const server = await startBenchServer(kind, url, { dataDir: DATA_DIR });
    const load = createLoad(server.address, connections);
    contestants.push({ server, load, supplies: new Supplies(server, load, account) });
  }
  return contestants;
}

function progress(what: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r  ${what}`.padEnd(70) : what && `  ${what}\n`);
}

const options = readOptions();
if (options) {
  const report = await main(options);
  console.log(renderTable(report.rows));
  for (const file of [join(DATA_DIR, 'throughput.json'), options.json])
    if (file) writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  if (options.check && report.rows.some(({ met }) => met === false)) process.exitCode = 1;
}
