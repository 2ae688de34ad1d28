import { readFileSync, rmSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { auditEvent } from '../src/audit/events.ts';
import { importClient, type Planned, planImport } from '../src/features/moving-in/plan.ts';
import { type ForeignExport, isSourceName, readExport, SOURCE_NAMES, type SourceName } from '../src/features/moving-in/sources.ts';
import { FEATURES } from '../src/features.ts';
import { openClientJudge } from '../src/oauth/clients/operator-client.ts';
import { endClient } from '../src/oauth/store/grants.ts';
import { readConfig } from '../src/platform/config.ts';
import type { Database } from '../src/platform/database.ts';
import { confirmed, OPERATOR, quoted, runCommand, UsageError, withDatabase } from './command.ts';
import { importPeople, planPeople } from './import-people.ts';
import { asJson, type Order, type Plan, print, reportOf, tally } from './import-report.ts';
import { openNewFile } from './new-file.ts';
import { showProgress } from './progress.ts';

const HELP = `Usage: node scripts/import.ts --from keycloak|hydra|auth0 FILE [--dry-run] [--update] [--people] [--secrets FILE]
                              [--report FILE.json] [--yes]

  Takes in the clients of another authorization server, by the rules of the registration endpoint, and tells of each field whether it was
  kept, changed or dropped, and why. A client is made as a whole or not at all; run it again to go on where it was interrupted.

  FILE             what the other server exports:
                     keycloak  a realm export (kc.sh export: that of the console has no secrets)
                     hydra     hydra list clients --format json, or GET /admin/clients
                     auth0     GET /api/v2/clients
  --dry-run        writes nothing to the database, and says what would be
  --update         changes clients that are here already by the same id, which are passed over otherwise; they keep their secrets
  --people         also takes in the people of a Keycloak realm, without their passwords: each chooses one by the sign-in page, which sends
                   a mail. Apps know them by the same subject identifier
  --secrets FILE   where to write secrets that had to be made anew, for nobody else to read; - for standard output. They are shown once
  --report FILE    where to write all that is told of, as JSON, without a secret; the clients alone are listed here then
  --yes            does not ask first
  --help           shows this

A secret in clear goes on, unless it could be guessed; hashes and what was masked cannot. The exit code is 1 when a client was refused.
`;

// What JSON of this size becomes fits into memory.
const MOST_BYTES = 64 * 1024 * 1024;

// As a shell says of what Ctrl-C ended.
const INTERRUPTED = 130;

const OPTIONS = {
  help: { type: 'boolean' },
  yes: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  update: { type: 'boolean' },
  people: { type: 'boolean' },
  from: { type: 'string' },
  secrets: { type: 'string' },
  report: { type: 'string' },
} as const;

await runCommand('import', HELP, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { from, 'dry-run': dryRun = false, update = false, people = false, yes = false, secrets, report } = values;
  const [file, ...more] = positionals;
  if (!isSourceName(from)) throw new UsageError(`say where it comes from: --from ${SOURCE_NAMES.join(', ')}`);
  if (!file || more.length) throw new UsageError('say which file to read');
  if (people && from !== 'keycloak') throw new UsageError('--people is for --from keycloak');
  const content = readExport(from, readText(file));
  if (!content.count && !people) throw new Error('there is no client in the file');
  return withDatabase((database) => run(database, content, { from, file, dryRun, update, people, yes, secrets, report }));
});

function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > MOST_BYTES)
      throw new Error(`it has ${size} bytes, and ${MOST_BYTES} are the most: export the clients without people, or in parts`);
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EISDIR'
          ? 'it is a folder'
          : code?.startsWith('ERR_')
            ? 'it is no UTF-8'
            : message;
    throw new Error(`${quoted(file)}: ${why}`);
  }
}

async function run(database: Database, { document, drafts }: ForeignExport, order: Order): Promise<number> {
  const judge = await openClientJudge({ config: readConfig(), database, features: FEATURES });
  const plan = await planImport(database, drafts(judge.scopes), { judge: judge.judge, update: order.update });
  const people = order.people ? await planPeople(database, document) : undefined;
  const report = order.report === undefined ? undefined : openNewFile('--report', order.report);
  const written = new Set<string>();
  let failure: unknown;
  try {
    if (!order.dryRun) await write(database, { plan, people, order }, written);
  } catch (error) {
    failure = error;
  }
  // What was done is told of, whatever came between.
  const isTold = failure === undefined || written.size > 0;
  const told = reportOf(order, { plan, people, written: order.dryRun ? undefined : written });
  if (isTold) {
    report?.line(asJson(told));
    print(told, report === undefined);
  }
  report?.close();
  if (!isTold && order.report !== undefined) rmSync(order.report);
  if (failure !== undefined) throw failure;
  if (told.interrupted) return INTERRUPTED;
  return plan.some(({ outcome }) => outcome === 'refuse') || people?.some(({ refusal }) => refusal) ? 1 : 0;
}

/** @param written takes the ids of clients and people that were written, of which some are missing when it was interrupted. */
async function write(database: Database, { plan, people, order }: Plan, written: Set<string>): Promise<void> {
  const work = plan.filter(({ outcome }) => outcome === 'make' || outcome === 'update');
  const reissued = work.filter((planned) => planned.reissued).length;
  // Before anything is written: a secret that nobody has seen is of no use to anybody.
  if (reissued && order.secrets === undefined) throw new Error(`${reissued} need a new secret: say where to write it, with --secrets FILE`);
  if (!(await confirmed(`${tally(plan, people)}. Go on?`, order.yes))) throw new Error('nothing was done');
  // Between two clients, and not within one.
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
  const secrets = reissued && order.secrets !== '-' ? openNewFile('--secrets', String(order.secrets)) : undefined;
  const progress = showProgress('clients', work.length);
  for (const planned of work) {
    if (stop.signal.aborted) break;
    await writeClient(database, planned, order.from, (line) => (secrets ? secrets.line(line) : console.log(line)));
    written.add(planned.draft.clientId);
    progress.step();
  }
  progress.end();
  secrets?.close();
  await importPeople(database, people ?? [], { from: order.from, signal: stop.signal, written });
}

async function writeClient(database: Database, planned: Planned, source: SourceName, tell: (line: string) => void): Promise<void> {
  const { draft, secret, reissued, outcome } = planned;
  if (reissued) tell(JSON.stringify({ client_id: draft.clientId, client_secret: secret }));
  const event = auditEvent(OPERATOR, {
    type: 'clients_imported',
    clientId: draft.clientId,
    detail: { source, change: outcome === 'update' ? 'updated' : 'made' },
  });
  await database.transaction([...importClient(planned), event]);
  // Only now: what is issued to a client that was not suspended yet is there to be ended.
  if (draft.suspended && planned.existing) await endClient(database, draft.clientId);
}
