import { Readable } from 'node:stream';
import { type CsvError, type Info, parse } from 'csv-parse';
import { NotRead } from './item.ts';

/** Owns the reading of CSV of any size (RFC 4180), also with semicolons or tabs. Cells are texts: nothing computes a formula. */

const LONGEST_ROW = 1024 * 1024;

export type Row = { cells: string[]; line: number };

/** @yields rows that have a cell with text. @throws NotRead with the line. */
export async function* readCsv(text: AsyncIterable<string>): AsyncGenerator<Row> {
  const pieces = text[Symbol.asyncIterator]();
  const first = await pieces.next();
  if (first.done) return;
  const parser = parse({
    delimiter: delimiterOf(first.value),
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_empty_values: true,
    trim: true,
    info: true,
    max_record_size: LONGEST_ROW,
  });
  const source = Readable.from(all(first.value, pieces));
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>)
      yield { cells: record, line: info.lines };
  } catch (error) {
    throw sentenceOf(error as CsvError);
  } finally {
    source.destroy();
  }
}

async function* all(first: string, pieces: AsyncIterator<string>): AsyncGenerator<string> {
  yield first;
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value;
}

/** The sign that the first line has most. Spreadsheets in many languages write semicolons. */
function delimiterOf(text: string): string {
  const [line = ''] = text.split(/\r?\n/, 1);
  const counted = [',', ';', '\t'].map((sign) => ({ sign, times: line.split(sign).length }));
  return counted.reduce((most, one) => (one.times > most.times ? one : most)).sign;
}

function sentenceOf(error: CsvError & { lines?: number }): Error {
  if (error.code === 'CSV_QUOTE_NOT_CLOSED') return new NotRead('it is no CSV: a quotation mark is never closed');
  if (error.code === 'CSV_MAX_RECORD_SIZE') return new NotRead(`it is no CSV: a row has more than ${LONGEST_ROW} characters`);
  return error.code?.startsWith('CSV_') ? new NotRead(`it is no CSV: see line ${error.lines ?? '?'}`) : error;
}
