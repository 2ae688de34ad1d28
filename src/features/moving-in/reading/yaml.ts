import { parseAllDocuments } from 'yaml';
import { assertBounded, type Item, NotRead } from './item.ts';

/**
 * Owns the reading of YAML 1.2: one document or several. It is for files that people write. They are small, so they are read as a whole.
 */

export const MOST_YAML_BYTES = 16 * 1024 * 1024;
export const LARGER_YAML = 'give its users as CSV or JSON Lines, by --from users, or split it';

// Each place that refers to an anchor copies what stands there.
const MOST_ALIASES = 100;

/** @throws NotRead with the line, and without quoting the file. */
export function readYaml(text: string): Item[] {
  const documents = parseAllDocuments(text, { merge: true, logLevel: 'silent', prettyErrors: true });
  if (!('length' in documents)) return [];
  return [...documents].flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new NotRead(`it is no YAML: see line ${error.linePos?.[0].line ?? 1}`);
    const value = resolved(() => document.toJS({ maxAliasCount: MOST_ALIASES }));
    assertBounded(value);
    return value === null ? [] : [{ document: value }];
  });
}

function resolved(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    // The library throws this for aliases without an anchor, and for those that would fill the memory.
    if (error instanceof ReferenceError)
      throw new NotRead(`its aliases refer to nothing, or to more than ${MOST_ALIASES} copies: write the values out`);
    throw error;
  }
}
