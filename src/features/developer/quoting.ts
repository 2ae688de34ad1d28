/**
 * Owns how a text stands in code of another language, as a literal that is that text and nothing else: an id or an address is whatever its
 * owner chose, and must not become a command on the machine of who copies it.
 */

/** POSIX shell: within single quotes nothing means anything. */
export const inShell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** JSON's strings are JavaScript's, Java's, Go's and YAML's too, with every character that is not plain ASCII as \u and its four digits. */
export function inDoubleQuotes(text: string): string {
  return JSON.stringify(text).replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Python reads a pair of surrogates as two characters: it has an escape for each code point. */
export function inPython(text: string): string {
  const escaped = [...text].map((character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    return /[\x20-\x7e]/.test(character) ? character : `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`;
  });
  return `"${escaped.join('')}"`;
}

/** Go refuses surrogates in \u, and takes UTF-8 as it is. */
export function inGo(text: string): string {
  return inPython(text);
}

/** YAML, read by Spring, which puts properties in the place of `${…}` unless the dollar is escaped. */
export function inSpring(text: string): string {
  return inDoubleQuotes(text.replaceAll('${', '\\${'));
}
