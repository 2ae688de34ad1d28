import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../bootstrap/node.mjs';
import { openCluster } from './cluster.ts';
import { type Fault, NotAtHand, type Outcome } from './fault.ts';
import { OptionError, readOptions } from './options.ts';
import { asTable, type Row, writeTable } from './report.ts';
import { databaseFaults } from './trials/database.ts';
import { exactlyOnceFaults } from './trials/exactly-once.ts';
import { hostFaults } from './trials/hosts.ts';
import { networkFaults } from './trials/network.ts';
import { nodeFaults } from './trials/nodes.ts';
import { recoveryFaults } from './trials/recovery.ts';
import { restartFaults } from './trials/restarts.ts';
import { slowFaults } from './trials/time.ts';

/** `npm run faults`: plays each fault, prints its row, and ends with status 1 when one does not hold. */

const FAULTS: Fault[] = [
  databaseFaults,
  networkFaults,
  hostFaults,
  recoveryFaults,
  exactlyOnceFaults,
  nodeFaults,
  restartFaults,
  slowFaults,
]
  .flat()
  .sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));

// The database servers end with this process (cluster.ts).
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

try {
  const options = readOptions(
    process.argv.slice(2),
    FAULTS.map(({ id }) => id),
  );
  if (options) await main(options);
  // A trial that ended early may leave connections open.
  process.exit();
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  console.error(`faults: ${error.message}`);
  process.exitCode = 1;
}

async function main(options: NonNullable<ReturnType<typeof readOptions>>): Promise<void> {
  mkdirSync(join(ROOT, '.data/faults'), { recursive: true });
  const cluster = await openCluster();
  const say = (sentence: string) => void (process.stderr.isTTY && process.stderr.write(`\r  ${sentence}`.padEnd(78)));
  const rows: Row[] = [];
  try {
    const [{ version }] = (await cluster.sql("select current_setting('server_version') as version")) as [{ version: string }];
    for (const fault of FAULTS.filter(({ id }) => options.faults.includes(id))) {
      console.error(`${fault.id}: ${fault.title}`);
      const begun = performance.now();
      const outcome = await play(fault, { cluster, options, say });
      rows.push({
        id: fault.id,
        title: fault.title,
        passes: fault.passes,
        postgres: version,
        seconds: Math.round((performance.now() - begun) / 1_000),
        ...outcome,
      });
      say('');
      const { verdict, seconds, why } = rows.at(-1) as Row;
      console.error(`  ${verdict} after ${seconds} s${why && `: ${why}`}`);
      // After each, so that a run that is ended early leaves what it measured.
      if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
      if (options.write) writeTable(rows);
    }
    console.log(asTable(rows));
  } finally {
    await cluster.drop();
  }
  if (rows.some(({ verdict }) => verdict === 'not held')) process.exitCode = 1;
}

async function play(fault: Fault, trial: Parameters<Fault['play']>[0]): Promise<Pick<Row, 'verdict' | 'outcome' | 'why'>> {
  try {
    const outcome: Outcome = await fault.play(trial);
    return { verdict: outcome.broken.length ? 'not held' : 'held', outcome, why: outcome.broken.join('; ') };
  } catch (error) {
    if (error instanceof NotAtHand) return { verdict: 'not measured', why: error.message };
    return { verdict: 'not held', why: `the trial ended early: ${(error as Error).stack}` };
  }
}
