import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImportReport } from '../../src/features/moving-in/import-report.ts';
import { runCommand } from './command.ts';
import type { TestServer } from './environment.ts';

/** Files to import from, and what `munjigi clients import` says of them. */
export function openImporting(server: TestServer) {
  const folder = mkdtempSync(join(tmpdir(), 'import-'));
  let files = 0;
  const path = (name: string) => join(folder, `${++files}-${name}`);
  const written = (content: unknown) => {
    const file = path('export.json');
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };
  const command = (from: string, content: unknown, ...more: string[]) =>
    runCommand(server, 'clients', 'import', '--from', from, written(content), ...more);
  return {
    folder,
    written,
    command,
    /** Runs it with a report, which is read, and a file of secrets. */
    reported(from: string, content: unknown, ...more: string[]) {
      const [report, secrets] = [path('report.json'), path('secrets.jsonl')];
      const run = command(from, content, '--report', report, '--secrets', secrets, ...more);
      const told = JSON.parse(readFileSync(report, 'utf8')) as ImportReport;
      return { ...run, report, told, secrets, of: (id: string) => told.clients.find(({ client_id }) => client_id === id) };
    },
    close: () => rmSync(folder, { recursive: true }),
  };
}

export type Importing = ReturnType<typeof openImporting>;

/** What a report says of one field of a client. */
export const note = (client: ImportReport['clients'][number] | undefined, field: string, outcome: string) =>
  client?.fields.filter((each) => each.field === field && each.outcome === outcome) ?? [];
