import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { SealedColumn } from '../../platform/sealed-column.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { FORMAT, type Header, rowOf, type Trailer } from './durable.ts';

/** Owns the reading of an export: whether the file is one, whether it is complete, and whether this server's keys decrypt its values. */

// Longer than a row of any table. A file with a longer line is no export.
const LONGEST_LINE = 32 * 1024 * 1024;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws Error when the file is no export. */
export async function readHeader(file: string): Promise<Header> {
  for await (const line of linesOf(file)) return headerFrom(line);
  throw new Error('the file is empty');
}

function headerFrom(line: string): Header {
  const header = parsed(line);
  if (!isObject(header) || header['munjigi'] !== 'data')
    throw new Error('the file is no export of this server: its first line says of none');
  if (header['format'] !== FORMAT)
    throw new Error(
      `the file has format ${JSON.stringify(header['format'])}, and this release reads ${FORMAT}: restore it by the release that exported it`,
    );
  const { migrations, rows, issuer, exportedAt } = header;
  if (!Array.isArray(migrations) || !isObject(rows) || typeof issuer !== 'string' || typeof exportedAt !== 'string')
    throw new Error(ALTERED);
  return header as Header;
}

const ALTERED = 'the file is not as it was exported: bytes of it are missing, or others than they were';

/**
 * Reads all rows of a file, and compares their number and digest at the end.
 * @param take called for each row in order; the caller must undo its effects when this throws.
 * @throws Error when the file is truncated or altered.
 */
export async function eachRow(file: string, take: (table: string, row: string) => Promise<void> | void): Promise<Trailer> {
  const hash = createHash('sha256');
  const rows: Record<string, number> = {};
  let header: Header | undefined;
  let trailer: Trailer | undefined;
  for await (const line of linesOf(file)) {
    if (trailer) throw new Error(ALTERED);
    const row = header && rowOf(line);
    if (row) {
      rows[row.table] = (rows[row.table] ?? 0) + 1;
      await take(row.table, row.row);
    } else if (header) {
      trailer = trailerFrom(line);
      continue;
    } else header = headerFrom(line);
    hash.update(`${line}\n`);
  }
  const said = [header?.rows, trailer?.rows];
  const isWhole = said.every((counts) => counts && Object.entries(counts).every(([table, count]) => (rows[table] ?? 0) === count));
  if (!trailer || trailer.sha256 !== hash.digest('hex') || !isWhole) throw new Error(ALTERED);
  return trailer;
}

function trailerFrom(line: string): Trailer {
  const trailer = parsed(line);
  if (!isObject(trailer) || trailer['end'] !== true || !isObject(trailer['rows'])) throw new Error(ALTERED);
  return trailer as Trailer;
}

/**
 * Reads the whole file.
 * @param sealedColumns columns whose values it decrypts.
 * @throws Error when the file is incomplete, or has a value that no key of the ring decrypts.
 */
export async function verifyFile(file: string, keyRing: KeyRing, sealedColumns: readonly SealedColumn[], step: () => void): Promise<void> {
  const unreadable = new Map<string, number>();
  await eachRow(file, (table, row) => {
    step();
    for (const { id, column, context } of sealedColumns.filter((sealed) => sealed.table === table)) {
      const values = JSON.parse(row) as Record<string, string | null>;
      if (!opens(keyRing, values[column], context(String(values[id]))))
        unreadable.set(`${table}.${column}`, (unreadable.get(`${table}.${column}`) ?? 0) + 1);
    }
  });
  if (!unreadable.size) return;
  const which = [...unreadable].map(([name, count]) => `${name} (${count})`).join(', ');
  throw new Error(`no key in DATA_ENCRYPTION_KEYS opens ${which}: add the keys that the server had when it was exported`);
}

function opens(keyRing: KeyRing, sealed: string | null | undefined, context: string): boolean {
  // An empty value was never encrypted.
  if (!sealed) return true;
  try {
    keyRing.decrypt(sealed, context);
    return true;
  } catch {
    return false;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error(ALTERED);
  }
}

/** Lines without their ends. A last line without an end means that the file was truncated. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
    let from = 0;
    for (let end = rest.indexOf(10, from); end >= 0; end = rest.indexOf(10, from)) {
      yield rest.toString('utf8', from, end);
      from = end + 1;
    }
    rest = rest.subarray(from);
    if (rest.length > LONGEST_LINE) throw new Error('the file is no export of this server: it has a line without an end');
  }
  if (rest.length) throw new Error(ALTERED);
}
