import { rmSync } from 'node:fs';
import { type Command, type Installed, UsageError } from '../../command-line/command.ts';
import { type NewFile, openNewFile } from '../../command-line/new-file.ts';
import { keyRingAsWritten, withDatabase } from '../../command-line/operator.ts';
import { showProgress } from '../../command-line/progress.ts';
import { confirmed } from '../../command-line/terminal.ts';
import { openClientJudge } from '../../oauth/clients/operator-client.ts';
import { readConfig } from '../../platform/config.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { keepMemoryFlat } from './flat-memory.ts';
import { readHashConfig } from './hash-config.ts';
import { writeClients } from './import-clients.ts';
import { importPeople } from './import-people.ts';
import { reportClients, writeReport } from './import-report.ts';
import { printSummary, tally } from './import-summary.ts';
import { readKeycloakUser } from './keycloak-people.ts';
import { openTally, type PeopleTally } from './people-tally.ts';
import type { Person } from './person.ts';
import { type Planned, planImport } from './plan.ts';
import { readRedirectUris } from './redirect-uris-file.ts';
import { type ForeignExport, readExport, readUsers, SOURCE_NAMES, type SourceName } from './sources.ts';
import { parseColumns } from './user-columns.ts';
import { readUserFile } from './users.ts';

// As a shell says of what Ctrl-C ended.
const INTERRUPTED = 130;

const NOTES = `  FILE is what the other server exports, or a folder of such files:
    keycloak  a realm export (kc.sh export: that of the console has no secrets), or the YAML of keycloak-config-cli
    hydra     hydra list clients --format json, GET /admin/clients, or the YAML of hydra-maester
    auth0     GET /api/v2/clients, or the folder or tenant.yaml of deploy-cli
    users     CSV, JSON or JSON Lines, with the columns of Cognito, Firebase, Okta or Auth0, or others by --columns

  The rules of the registration endpoint judge each client. The report names each field that was kept, changed or dropped, and why. A client is
  made as a whole or not at all; run the command again to go on where it was interrupted. A client without a redirect URI that can stay is made
  and suspended: --redirect-uris gives it addresses, now or later. A secret in clear stays, unless it could be guessed; hashes and masked
  secrets cannot. Hashes of passwords stay until the first sign-in. The exit code is 1 when a client or a user was refused.`;

export const IMPORT: Command = {
  noun: 'clients',
  verb: 'import',
  summary: 'Read the clients and users of another authorization server from its export',
  operands: ['FILE'],
  flags: {
    from: { type: 'string', help: 'The server that wrote the file.', choices: [...SOURCE_NAMES, 'users'], required: true },
    'dry-run': { type: 'boolean', help: 'Write nothing to the database, and show what the command would do.' },
    update: {
      type: 'boolean',
      help: 'Change clients that are here already by the same id, instead of skipping them. They keep their secrets.',
    },
    people: {
      type: 'boolean',
      help: 'Also make the users of a Keycloak realm, with their passwords. Apps know them by the same subject identifier. --from users implies it.',
    },
    'redirect-uris': {
      type: 'string',
      value: 'FILE',
      help: 'Redirect URIs for clients whose own have patterns: lines of a client id and an address.',
    },
    columns: { type: 'string', value: 'OURS=THEIRS,…', help: 'What the columns of users mean, such as email=E-Mail,password_hash=pw.' },
    'hash-config': {
      type: 'string',
      value: 'FILE',
      help: 'The password hash parameters of a project of Firebase, as its console shows them.',
    },
    secrets: {
      type: 'string',
      value: 'FILE',
      help: 'Where to write new secrets, for its owner alone; - for standard output. They are shown once.',
    },
    report: {
      type: 'string',
      value: 'FILE',
      help: 'Where to write the whole report as JSON, without a secret. Then the terminal shows the summary alone.',
    },
  },
  asks: true,
  notes: NOTES,
  async run({ operands: [file = ''], flags, yes, installed }) {
    const order = orderOf(file, flags as Record<string, string | boolean | undefined>, yes);
    const stop = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
    const given = order.redirectUris === undefined ? undefined : await readRedirectUris(order.redirectUris);
    const { from } = order;
    const content = from === 'users' ? undefined : await readWithProgress((advance) => readExport(from, file, advance));
    if (content && !content.count && !(order.people && content.people)) throw new Error(nothingIn(content));
    if (content?.people && !order.people)
      content.beside.push({ field: 'users', outcome: 'dropped', from: `${content.people}`, why: 'users are imported by --people' });
    const people = order.people ? await peopleOf(order, file, flags) : undefined;
    return withDatabase((database) => run({ database, order, content, people, given, stop: stop.signal, installed }));
  },
};

const nothingIn = ({ people }: ForeignExport): string =>
  people ? `there is no client in the file. It has ${people} users: --people imports them` : 'there is no client in the file';

export type Order = {
  from: SourceName | 'users';
  dryRun: boolean;
  update: boolean;
  people: boolean;
  yes: boolean;
  redirectUris: string | undefined;
  secrets: string | undefined;
  report: string | undefined;
};

function orderOf(_file: string, flags: Record<string, string | boolean | undefined>, yes: boolean): Order {
  const { from, secrets, report, columns } = flags as { from: Order['from'] } & Record<string, string | undefined>;
  if (flags['people'] && !['keycloak', 'users'].includes(from)) throw new UsageError('--people is for --from keycloak and users');
  for (const flag of ['columns', 'hash-config'])
    if (flags[flag] !== undefined && from !== 'users') throw new UsageError(`--${flag} is for --from users`);
  for (const flag of ['redirect-uris', 'update'])
    if (flags[flag] !== undefined && from === 'users') throw new UsageError(`--${flag} is for clients`);
  if (columns !== undefined) parseColumns(columns);
  return {
    ...{ from, secrets, report, yes, redirectUris: flags['redirect-uris'] as string | undefined },
    ...{ dryRun: flags['dry-run'] === true, update: flags['update'] === true, people: flags['people'] === true || from === 'users' },
  };
}

type People = (advance?: (bytes: number) => void) => AsyncGenerator<Person>;

async function peopleOf({ from }: Order, file: string, flags: Record<string, unknown>): Promise<People> {
  const columns = typeof flags['columns'] === 'string' ? parseColumns(flags['columns']) : new Map();
  const firebase = typeof flags['hash-config'] === 'string' ? await readHashConfig(flags['hash-config']) : undefined;
  if (from === 'users') return () => readUserFile(file, { columns, firebase });
  return async function* () {
    let number = 0;
    for await (const user of readUsers(from, file)) yield readKeycloakUser(user, ++number);
  };
}

const MEBIBYTE = 1024 * 1024;
const EVERY_MEBIBYTES = 20;

async function readWithProgress<T>(read: (advance: (bytes: number) => void) => Promise<T>): Promise<T> {
  const progress = showProgress('MiB read', 0, EVERY_MEBIBYTES);
  let bytes = 0;
  const result = await read((more) => {
    const before = Math.floor(bytes / MEBIBYTE);
    bytes += more;
    for (let n = before; n < Math.floor(bytes / MEBIBYTE); n++) progress.step();
  });
  progress.end();
  return result;
}

type Work = {
  database: Database;
  order: Order;
  content: ForeignExport | undefined;
  people: People | undefined;
  given: ReadonlyMap<string, readonly string[]> | undefined;
  stop: AbortSignal;
  installed: Installed;
};

/** @throws Error for a database without the server's tables, which no import could make. */
async function assertReady(database: Database): Promise<void> {
  const [row] = await database.aside<{ ready: boolean }>(Prisma.sql`select to_regclass('user_account') is not null as ready`);
  if (!row?.ready) throw new Error('the database has no tables yet: run node scripts/migrate.ts, or start the server once');
}

async function run(work: Work): Promise<number> {
  const { database, order, content, people, stop } = work;
  await assertReady(database);
  const plan = content ? await planClients(work, content) : [];
  if (!order.dryRun) await askFirst(work, plan);
  const file = order.report === undefined ? undefined : openNewFile('--report', order.report);
  const report = writeReport(file, !order.dryRun);
  const written = new Set<string>();
  const tallied = people ? openTally() : undefined;
  const failed = await attempt(async () => {
    if (!order.dryRun) await writeClients(database, plan, { from: order.from, secrets: order.secrets, stop }, written);
  });
  const clients = reportClients(plan, order.dryRun ? undefined : written);
  const head = { source: order.from, dryRun: order.dryRun, clients, beside: content?.beside ?? [] };
  report.clients(head);
  const halted = failed ?? (people && tallied ? await attempt(() => workThrough(work, people, tallied, report)) : undefined);
  // The report names what was written, also after a failure.
  const isTold = halted === undefined || written.size > 0 || (tallied?.outcomes.size ?? 0) > 0;
  const interrupted = stop.aborted || clients.some(({ outcome }) => outcome === 'left');
  report.end(interrupted, tallied);
  if (isTold) printSummary({ ...head, people: tallied, interrupted }, file === undefined);
  else removeReport(file, order);
  if (halted !== undefined) throw halted.error;
  if (interrupted) return INTERRUPTED;
  const refused = tallied?.outcomes.get('refuse') ?? 0;
  return plan.some(({ outcome }) => outcome === 'refuse') || refused || tallied?.outcomes.get('left') ? 1 : 0;
}

async function planClients({ database, order, given, installed }: Work, content: ForeignExport): Promise<Planned[]> {
  const config = readConfig();
  const judge = await openClientJudge({ config, database, keyRing: keyRingAsWritten(config), features: installed.features });
  const drafts = [...content.drafts(judge.scopes, given)];
  const unknown = [...(given?.keys() ?? [])].filter((id) => !drafts.some(({ clientId }) => clientId === id));
  for (const id of unknown)
    content.beside.push({ field: '--redirect-uris', outcome: 'dropped', from: id, why: 'the file has no client with this id' });
  return planImport(database, drafts, { judge: judge.judge, update: order.update });
}

/** @throws Error when nobody said yes, or a new secret has no place. */
async function askFirst({ database, order, people, stop }: Work, plan: Planned[]): Promise<void> {
  const reissued = plan.filter(({ outcome, reissued }) => reissued && outcome !== 'refuse').length;
  // Before anything is written: a secret that nobody has seen is of no use to anybody.
  if (reissued && order.secrets === undefined) throw new Error(`${reissued} need a new secret: say where to write it, with --secrets FILE`);
  if (order.yes) return;
  const expected = people ? openTally() : undefined;
  if (people && expected) await importPeople(database, people(), { from: order.from, writes: false, signal: stop, tell: expected.add });
  if (!(await confirmed(`${tally(plan, expected)}. Go on?`, false))) throw new Error('nothing was done');
}

async function workThrough(
  { database, order, content, stop }: Work,
  people: People,
  tallied: PeopleTally,
  report: ReturnType<typeof writeReport>,
) {
  const progress = showProgress('people', content?.people ?? 0);
  const handled = keepMemoryFlat(1_500);
  await importPeople(database, people(), {
    ...{ from: order.from, writes: !order.dryRun, signal: stop },
    tell(judged) {
      tallied.add(judged);
      report.person(judged);
      progress.step();
      handled(1);
    },
  });
  progress.end();
}

async function attempt(work: () => Promise<unknown>): Promise<{ error: unknown } | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return { error };
  }
}

function removeReport(file: NewFile | undefined, { report }: Order): void {
  if (file && report !== undefined) rmSync(report);
}
