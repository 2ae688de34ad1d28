/**
 * Owns the quoting of text as a literal in another language. The owner chose the id or address, so it must not become a command on a
 * developer's machine.
 */

/** POSIX shell: no character has a special meaning within single quotes. */
export const inShell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A JSON string is also valid in JavaScript, Java, Go and YAML. Every character outside printable ASCII becomes \u with four digits. */
export function inDoubleQuotes(text: string): string {
  return JSON.stringify(text).replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** In a script of an HTML page no literal may end the script. */
export const inScript = (text: string): string => inDoubleQuotes(text).replaceAll('<', '\\u003c');

/** Python reads a surrogate pair as two characters, so each code point gets its own escape. */
export function inPython(text: string): string {
  const escaped = [...text].map((character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    return /[\x20-\x7e]/.test(character) ? character : `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`;
  });
  return `"${escaped.join('')}"`;
}

/** Go refuses surrogates in \u but has the same \U escape as Python. */
export function inGo(text: string): string {
  return inPython(text);
}

/** YAML for Spring, which expands `${…}` unless the dollar is escaped. */
export function inSpring(text: string): string {
  return inDoubleQuotes(text.replaceAll('${', '\\${'));
}
