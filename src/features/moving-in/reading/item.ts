/** Owns what a file is read into, and the limits that keep a hostile one from using up memory. */

/** A user, or what a document has beside its users. */
export type Item = { person: unknown } | { document: unknown };

/** Why a file is not read. The message follows the name of the file. */
export class NotRead extends Error {}

export const MOST_DEPTH = 64;
/** Objects, lists, names, texts and signs between them. A realm with a thousand clients has a tenth. */
export const MOST_VALUES = 3_000_000;

/**
 * Checks a document that was read as a whole. It does not recurse, because such a document aims to exhaust the stack, and it counts a value
 * as often as the document refers to it.
 * @throws NotRead for a document that nests too deep, refers to itself, or has too many values.
 */
export function assertBounded(document: unknown): void {
  const open: [unknown, number][] = [[document, 0]];
  for (let values = 0; open.length; values += 1) {
    const [value, depth] = open.pop() ?? [undefined, 0];
    if (depth > MOST_DEPTH) throw new NotRead(`it nests deeper than ${MOST_DEPTH} levels, or refers to itself`);
    if (values > MOST_VALUES) throw new NotRead(`it has more than ${MOST_VALUES} values`);
    if (typeof value === 'object' && value !== null) for (const member of Object.values(value)) open.push([member, depth + 1]);
  }
}
