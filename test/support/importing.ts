import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ImportReport } from '../../src/features/moving-in/import-report.ts';
import { runCommand } from './command.ts';
import type { TestServer } from './environment.ts';

/** Files to import from, and what `munjigi clients import` says of them. */
export function openImporting(server: TestServer) {
  const folder = mkdtempSync(join(tmpdir(), 'import-'));
  let files = 0;
  const path = (name: string) => join(folder, `${++files}-${name}`);
  const written = (content: unknown, name = 'export.json') => {
    const file = path(name);
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };
  const command = (from: string, content: unknown, ...more: string[]) =>
    runCommand(server, 'clients', 'import', '--from', from, written(content), ...more);
  const reportedFile = (from: string, file: string, ...more: string[]) => {
    const [report, secrets] = [path('report.json'), path('secrets.jsonl')];
    const run = runCommand(server, 'clients', 'import', '--from', from, file, '--report', report, '--secrets', secrets, ...more);
    if (!existsSync(report)) throw new Error(run.stderr);
    const told = JSON.parse(readFileSync(report, 'utf8')) as ImportReport;
    return { ...run, report, told, secrets, of: (id: string) => told.clients.find(({ client_id }) => client_id === id) };
  };
  return {
    folder,
    written,
    command,
    commandFile: (from: string, file: string, ...more: string[]) => runCommand(server, 'clients', 'import', '--from', from, file, ...more),
    /** Writes a folder of files. @returns its path. */
    writtenFolder(files: Record<string, unknown>) {
      const root = path('folder');
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(join(root, dirname(name)), { recursive: true });
        writeFileSync(join(root, name), typeof content === 'string' ? content : JSON.stringify(content));
      }
      return root;
    },
    /** Runs it with a report, which is read, and a file of secrets. */
    reported: (from: string, content: unknown, ...more: string[]) => reportedFile(from, written(content), ...more),
    /** The same for a file or folder that is there. */
    reportedFile,
    close: () => rmSync(folder, { recursive: true }),
  };
}

export type Importing = ReturnType<typeof openImporting>;

/** What a report says of one field of a client. */
export const note = (client: ImportReport['clients'][number] | undefined, field: string, outcome: string) =>
  client?.fields.filter((each) => each.field === field && each.outcome === outcome) ?? [];
