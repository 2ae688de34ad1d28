import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { auditEvent } from '../src/audit/events.ts';
import { SEALED_COLUMNS } from '../src/features.ts';
import { LEFT_OUT } from '../src/operations/durable.ts';
import { exportData } from '../src/operations/export.ts';
import { readHeader, verifyFile } from '../src/operations/exported-file.ts';
import { assertRestorable, restoreData, rowsOf } from '../src/operations/restore.ts';
import { readConfig } from '../src/platform/config.ts';
import { KeyRing } from '../src/platform/secrets.ts';
import { confirmed, OPERATOR, quoted, runCommand, UsageError, withDatabase } from './command.ts';
import { showProgress } from './progress.ts';

const HELP = `Usage: node scripts/data.ts export FILE [--yes]
       node scripts/data.ts restore FILE [--yes]

  export    writes all that lasts to a file that nobody else may read: people with their factors and links, clients with the digests of their
            secrets, APIs, what people allowed, keys as they are sealed, and what was done. The server goes on meanwhile
  restore   reads it into a database that node scripts/migrate.ts has prepared and nobody has used, as a whole or not at all. Stop the server
            first. It needs the DATA_ENCRYPTION_KEYS and the ISSUER that the server had

  --yes     does not ask first (export asks before it takes the place of a file, restore always)
  --help    shows this

Nothing in the file opens anything: no token, code or session goes along. So all that were issued are refused after a restore, be they older or
newer than the file: people sign in again, and are not asked again for what they allowed. JWT access tokens, which nobody asks the server about,
open their API until they expire. What came after the export is gone; who was deleted since is back. Clients that registered themselves cannot
change themselves any more: their registration access tokens were live credentials, too.

Left out:
${Object.entries(LEFT_OUT)
  .map(([table, why]) => `  ${table.padEnd(19)} ${why}`)
  .join('\n')}
`;

const stop = new AbortController();

await runCommand('data', HELP, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' }, yes: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [command, file, ...more] = positionals;
  if ((command !== 'export' && command !== 'restore') || !file || more.length)
    throw new UsageError('say what to do, and with which file: export FILE, or restore FILE');
  return command === 'export' ? write(file, values.yes) : read(file, values.yes);
});

async function write(file: string, yes: boolean | undefined): Promise<number> {
  const { databaseDirectUrl: url, issuer } = readConfig();
  if (existsSync(file)) {
    if (!statSync(file).isFile()) throw new Error(`${quoted(file)} is no file`);
    if (!(await confirmed(`${quoted(file)} is there already. Take its place?`, yes))) return 1;
  }
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => stop.abort(new Error('it was interrupted, and nothing was exported')));
  // Beside it, so that what is there stays until the new one is whole.
  const part = `${file}.part`;
  const descriptor = openPart(part);
  const progress = showProgress('rows', 0);
  try {
    const { rows, sha256 } = await exportData(
      { url, issuer },
      { write: (text) => writeFileSync(descriptor, text), step: progress.step, signal: stop.signal },
    );
    fsyncSync(descriptor);
    progress.end();
    const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
    await withDatabase((database) =>
      database.transaction([auditEvent(OPERATOR, { type: 'data_exported_by_operator', detail: { rows: total, sha256 } })]),
    );
    renameSync(part, file);
    console.log(`${total} rows are in ${quoted(file)}: keep it as you keep the database, and DATA_ENCRYPTION_KEYS elsewhere`);
    return 0;
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function openPart(part: string): number {
  try {
    return openSync(part, 'wx', 0o600);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new Error(`${quoted(part)} is there already: another export is under way, or was cut short. Take it away`);
    throw new Error(code === 'ENOENT' ? `the folder of ${quoted(part)} is not there` : message);
  }
}

async function read(file: string, yes: boolean | undefined): Promise<number> {
  const { databaseDirectUrl: url, issuer, dataEncryptionKeys } = readConfig();
  if (!existsSync(file) || !statSync(file).isFile()) throw new Error(`there is no file ${quoted(file)}`);
  const header = await readHeader(file);
  if (header.issuer !== issuer)
    throw new Error(
      `the file is of ${quoted(header.issuer)}, and ISSUER is ${quoted(issuer)}: apps and what people allowed know the server by its name`,
    );
  await assertRestorable(url, header);
  const total = rowsOf(header);
  const looking = showProgress('rows looked at', total);
  await verifyFile(file, new KeyRing(dataEncryptionKeys), SEALED_COLUMNS, looking.step);
  looking.end();
  if (!(await confirmed(`Restore ${total} rows of ${quoted(header.exportedAt)} into this database?`, yes))) return 1;
  const told = auditEvent(OPERATOR, { type: 'data_restored', detail: { rows: total, exportedAt: header.exportedAt.slice(0, 40) } });
  const writing = showProgress('rows', total);
  await restoreData({ url, file, header, told }, writing.step);
  writing.end();
  console.log(`${total} rows are restored. Every token, code and session that was ever issued is refused: people sign in again`);
  return 0;
}
