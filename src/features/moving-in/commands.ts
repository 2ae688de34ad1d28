import { readFileSync, rmSync, statSync } from 'node:fs';
import { recordEvent } from '../../audit/events.ts';
import { type Command, type Installed, UsageError } from '../../command-line/command.ts';
import { openNewFile } from '../../command-line/new-file.ts';
import { keyRingAsWritten, OPERATOR, withDatabase } from '../../command-line/operator.ts';
import { showProgress } from '../../command-line/progress.ts';
import { confirmed, quoted } from '../../command-line/terminal.ts';
import { openClientJudge } from '../../oauth/clients/operator-client.ts';
import { endClient } from '../../oauth/store/grants.ts';
import { readConfig } from '../../platform/config.ts';
import type { Database } from '../../platform/database.ts';
import { importPeople, planPeople } from './import-people.ts';
import { asJson, type Order, type Plan, print, reportOf, tally } from './import-report.ts';
import { importClient, type Planned, planImport } from './plan.ts';
import { type ForeignExport, readExport, SOURCE_NAMES, type SourceName } from './sources.ts';

// What JSON of this size becomes fits into memory.
const MOST_BYTES = 64 * 1024 * 1024;

// As a shell says of what Ctrl-C ended.
const INTERRUPTED = 130;

const NOTES = `  FILE is what the other server exports:
    keycloak  a realm export (kc.sh export: that of the console has no secrets)
    hydra     hydra list clients --format json, or GET /admin/clients
    auth0     GET /api/v2/clients

  The rules of the registration endpoint judge each client. The report names each field that was kept, changed or dropped, and why. A client is
  made as a whole or not at all; run the command again to go on where it was interrupted. A secret in clear stays, unless it could be guessed;
  hashes and masked secrets cannot. The exit code is 1 when a client was refused.`;

export const IMPORT: Command = {
  noun: 'clients',
  verb: 'import',
  summary: 'Read the clients of another authorization server from its export',
  operands: ['FILE'],
  flags: {
    from: { type: 'string', help: 'The server that wrote the file.', choices: SOURCE_NAMES, required: true },
    'dry-run': { type: 'boolean', help: 'Write nothing to the database, and show what the command would do.' },
    update: {
      type: 'boolean',
      help: 'Change clients that are here already by the same id, instead of skipping them. They keep their secrets.',
    },
    people: {
      type: 'boolean',
      help: 'Also make the users of a Keycloak realm, without their passwords. Each chooses one at the sign-in page, which sends a mail. Apps know them by the same subject identifier.',
    },
    secrets: {
      type: 'string',
      value: 'FILE',
      help: 'Where to write new secrets, for its owner alone; - for standard output. They are shown once.',
    },
    report: {
      type: 'string',
      value: 'FILE',
      help: 'Where to write the whole report as JSON, without a secret. Then the terminal lists the clients alone.',
    },
  },
  asks: true,
  notes: NOTES,
  async run({ operands: [file = ''], flags, yes, installed }) {
    const { from, secrets, report } = flags as { from: SourceName; secrets?: string; report?: string };
    const [dryRun, update, people] = [flags['dry-run'] === true, flags['update'] === true, flags['people'] === true];
    if (people && from !== 'keycloak') throw new UsageError('--people is for --from keycloak');
    const content = readExport(from, readText(file));
    if (!content.count && !people) throw new Error('there is no client in the file');
    const order = { from, file, dryRun, update, people, yes, secrets, report };
    return withDatabase((database) => run(database, content, order, installed));
  },
};

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

async function run(database: Database, { document, drafts }: ForeignExport, order: Order, { features }: Installed): Promise<number> {
  const config = readConfig();
  const judge = await openClientJudge({ config, database, keyRing: keyRingAsWritten(config), features });
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
  // The report names what was written, also after a failure.
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
  const event = recordEvent(OPERATOR, {
    type: 'clients_imported',
    clientId: draft.clientId,
    detail: { source, change: outcome === 'update' ? 'updated' : 'made' },
  });
  await database.transaction([...importClient(planned), event]);
  // Only now: what is issued to a client that was not suspended yet is there to be ended.
  if (draft.suspended && planned.existing) await endClient(database, draft.clientId);
}
