import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { recordEvent } from '../../../audit/events.ts';
import { type Command, DONE, REFUSED } from '../../../command-line/command.ts';
import { keyRingAsWritten, OPERATOR, withDatabase } from '../../../command-line/operator.ts';
import { showProgress } from '../../../command-line/progress.ts';
import { confirmed, quoted } from '../../../command-line/terminal.ts';
import { readConfig } from '../../../platform/config.ts';
import type { SealedColumn } from '../../../platform/sealed-column.ts';
import { LEFT_OUT } from '../durable.ts';
import { exportData } from '../export.ts';
import { readHeader, verifyFile } from '../exported-file.ts';
import { assertRestorable, restoreData, rowsOf } from '../restore.ts';

/** Owns the commands that write all lasting data to a file, and read it into an empty database. */

const NOTES = `  No token, code or session is in the file. So all that were issued are refused after a restore, whether they are older or newer than the file:
  users sign in again, and are not asked again for what they allowed. APIs that check JWT access tokens by their signature accept them until they
  expire. What came after the export is lost, and what was deleted since is back. Clients that registered themselves cannot change themselves
  any more: their registration access tokens were live credentials, too.

Left out:
${Object.entries(LEFT_OUT)
  .map(([table, why]) => `  ${table.padEnd(19)} ${why}`)
  .join('\n')}`;

export const DATA_COMMANDS: Command[] = [
  {
    noun: 'data',
    verb: 'export',
    summary: 'Write all lasting data to a file that only its owner may read, while the server runs',
    operands: ['FILE'],
    asks: true,
    notes: NOTES,
    run: ({ operands: [file = ''], yes }) => write(file, yes),
  },
  {
    noun: 'data',
    verb: 'restore',
    summary: 'Read an exported file into a database that is migrated and unused, as a whole or not at all',
    operands: ['FILE'],
    asks: true,
    notes: `  Stop the server first. The command needs the DATA_ENCRYPTION_KEYS and the ISSUER that the server had.\n\n${NOTES}`,
    run: ({ operands: [file = ''], yes, installed }) => read(file, yes, installed.sealedColumns),
  },
];

async function write(file: string, yes: boolean): Promise<number> {
  const stop = new AbortController();
  const { databaseDirectUrl: url, issuer } = readConfig();
  if (existsSync(file)) {
    if (!statSync(file).isFile()) throw new Error(`${quoted(file)} is no file`);
    if (!(await confirmed(`${quoted(file)} is there already. Take its place?`, yes))) return REFUSED;
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
      database.transaction([recordEvent(OPERATOR, { type: 'data_exported_by_operator', detail: { rows: total, sha256 } })]),
    );
    renameSync(part, file);
    console.log(`${total} rows are in ${quoted(file)}: keep it as you keep the database, and DATA_ENCRYPTION_KEYS elsewhere`);
    return DONE;
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

async function read(file: string, yes: boolean, sealed: readonly SealedColumn[]): Promise<number> {
  const config = readConfig();
  const { databaseDirectUrl: url, issuer } = config;
  if (!existsSync(file) || !statSync(file).isFile()) throw new Error(`there is no file ${quoted(file)}`);
  const header = await readHeader(file);
  if (header.issuer !== issuer)
    throw new Error(
      `the file is of ${quoted(header.issuer)}, and ISSUER is ${quoted(issuer)}: apps and what people allowed know the server by its name`,
    );
  await assertRestorable(url, header);
  const total = rowsOf(header);
  const looking = showProgress('rows looked at', total);
  await verifyFile(file, keyRingAsWritten(config), sealed, looking.step);
  looking.end();
  if (!(await confirmed(`Restore ${total} rows of ${quoted(header.exportedAt)} into this database?`, yes))) return REFUSED;
  const event = recordEvent(OPERATOR, { type: 'data_restored', detail: { rows: total, exportedAt: header.exportedAt.slice(0, 40) } });
  const writing = showProgress('rows', total);
  await restoreData({ url, file, header, event }, writing.step);
  writing.end();
  console.log(`${total} rows are restored. Every token, code and session that was ever issued is refused: people sign in again`);
  return DONE;
}
