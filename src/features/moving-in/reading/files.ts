import { createReadStream, readdirSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { quoted } from '../../../command-line/terminal.ts';

/** Owns the files of an export: one file or a folder of them, each in UTF-8. Does not read their formats. */

export type ExportFile = {
  path: string;
  /** Its name below the folder, with slashes. */
  name: string;
  bytes: number;
  format: 'json' | 'yaml' | 'csv' | 'unknown';
};

const FORMATS: Record<string, ExportFile['format']> = {
  '.json': 'json',
  '.jsonl': 'json',
  '.ndjson': 'json',
  '.yaml': 'yaml',
  '.yml': 'yaml',
  '.csv': 'csv',
  '.tsv': 'csv',
};

const MOST_FILES = 10_000;

/** @returns the file, or those of a folder that have a known format, by name. @throws Error that names the file and what is wrong. */
export function listFiles(path: string): ExportFile[] {
  const found = statOf(path);
  if (!found.isDirectory()) return [{ path, name: path, bytes: found.size, format: formatOf(path) }];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = entries.map((entry) => join(entry.parentPath, entry.name)).filter((file) => formatOf(file) !== 'unknown');
  if (!files.length) throw new Error(`${quoted(path)}: the folder has no file that ends in ${Object.keys(FORMATS).join(', ')}`);
  if (files.length > MOST_FILES) throw new Error(`${quoted(path)}: the folder has ${files.length} files, and ${MOST_FILES} are the most`);
  return files.sort().map((file) => ({ path: file, name: relative(path, file), bytes: statOf(file).size, format: formatOf(file) }));
}

const formatOf = (path: string): ExportFile['format'] => FORMATS[extname(path).toLowerCase()] ?? 'unknown';

function statOf(path: string) {
  try {
    return statSync(path);
  } catch (error) {
    throw new Error(`${quoted(path)}: ${sentenceOf(error)}`);
  }
}

/**
 * Reads a file in pieces. @param advance is called with the number of bytes of each piece.
 * @throws Error when it cannot be read, or is not UTF-8.
 */
export async function* textOfFile({ path }: ExportFile, advance: (bytes: number) => void = () => {}): AsyncGenerator<string> {
  // It also leaves out a byte order mark.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 256 * 1024 })) {
      const text = decoder.decode(piece, { stream: true });
      advance(piece.length);
      if (text) yield text;
    }
    decoder.decode();
  } catch (error) {
    throw new Error(`${quoted(path)}: ${sentenceOf(error)}`);
  }
}

/** Reads a file as a whole. @throws Error when it is larger than `most` bytes. */
export async function wholeText(file: ExportFile, most: number, instead: string): Promise<string> {
  if (file.bytes > most) throw new Error(`${quoted(file.path)}: it has ${file.bytes} bytes, and ${most} are the most: ${instead}`);
  let text = '';
  for await (const piece of textOfFile(file)) text += piece;
  return text;
}

function sentenceOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'you may not read it';
  return code?.startsWith('ERR_ENCODING') ? 'it is no UTF-8: save it as UTF-8, which spreadsheets call CSV UTF-8' : message;
}
