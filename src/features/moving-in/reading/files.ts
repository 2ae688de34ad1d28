import { isUtf8 } from 'node:buffer';
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { quoted } from '../../../command-line/terminal.ts';
import { keepMemoryFlat } from '../flat-memory.ts';

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
 * Reads a file in pieces, without a byte order mark. @param advance is called with the number of bytes of each piece.
 * @throws Error when it cannot be read, or is not UTF-8.
 */
export async function* bytesOfFile({ path }: ExportFile, advance: (bytes: number) => void = () => {}): AsyncGenerator<Buffer> {
  const pieces = createReadStream(path, { highWaterMark: PIECE });
  let [first, begun] = [true, Buffer.alloc(0)];
  const collect = keepMemoryFlat(COLLECT_EVERY);
  try {
    for await (const piece of pieces as AsyncIterable<Buffer>) {
      advance(piece.length);
      collect(piece.length);
      const bytes = first && piece.subarray(0, 3).equals(BYTE_ORDER_MARK) ? piece.subarray(3) : piece;
      first = false;
      // A character may begin in one piece and end in the next.
      const end = endOfCharacters(bytes);
      const whole = begun.length ? Buffer.concat([begun, bytes.subarray(0, end)]) : bytes.subarray(0, end);
      begun = Buffer.from(bytes.subarray(end));
      if (!isUtf8(whole)) throw new Error(NO_UTF8);
      if (whole.length) yield whole;
    }
    if (begun.length) throw new Error(NO_UTF8);
  } catch (error) {
    throw new Error(`${quoted(path)}: ${sentenceOf(error)}`);
  }
}

const PIECE = 64 * 1024;
const COLLECT_EVERY = 8 * 1024 * 1024;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const NO_UTF8 = 'it is no UTF-8: save it as UTF-8, which spreadsheets call CSV UTF-8';

/** @returns the length without a character that only begins at the end. */
function endOfCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** The same as text. */
export async function* textOfFile(file: ExportFile, advance?: (bytes: number) => void): AsyncGenerator<string> {
  for await (const piece of bytesOfFile(file, advance)) yield piece.toString();
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
  return message;
}
