import { quoted } from '../../command-line/terminal.ts';
import { readForeignHash } from '../../people/foreign-passwords/kinds.ts';
import type { FirebaseConfig } from '../../people/foreign-passwords/scrypt.ts';
import { firebaseString } from '../../people/foreign-passwords/scrypt.ts';
import { type Fields, isFields } from './draft.ts';
import { note, type Person, settlePerson, type Told, type Value } from './person.ts';
import { readCsv } from './reading/csv.ts';
import { type ExportFile, listFiles, textOfFile } from './reading/files.ts';
import { NotRead } from './reading/item.ts';
import { readItems } from './reading/read.ts';
import { type Columns, columnFor, FIREBASE_HEADER, type Meaning } from './user-columns.ts';

/** Owns the reading of users from CSV, JSON and JSON Lines. Each row is read alone, so that a file may have any size. */

export type UsersOrder = { columns: Columns; firebase?: FirebaseConfig | undefined; advance?: (bytes: number) => void };

/** @param path a file or a folder. @throws Error that names the file, the line, and what would be right. */
export async function* readUserFile(path: string, order: UsersOrder): AsyncGenerator<Person> {
  let number = 0;
  for (const file of listFiles(path))
    if (await isTable(file)) yield* readTable(file, order);
    else
      for await (const item of readItems(file, { rootArray: true, ...(order.advance && { advance: order.advance }) })) {
        const value = 'person' in item ? item.person : item.document;
        // What is left of a document whose users were yielded one by one.
        if ('document' in item && (Array.isArray(value) || isWrapper(value))) continue;
        number += 1;
        yield personOf(isFields(value) ? flattened(value) : [], `user ${number}`, order);
      }
}

const isWrapper = (value: unknown): boolean => isFields(value) && (Array.isArray(value['users']) || Array.isArray(value['Users']));

async function isTable(file: ExportFile): Promise<boolean> {
  if (file.format !== 'unknown') return file.format === 'csv';
  for await (const piece of textOfFile(file)) return !/^\s*[[{]/.test(piece);
  return true;
}

async function* readTable(file: ExportFile, order: UsersOrder): AsyncGenerator<Person> {
  let header: string[] | undefined;
  try {
    for await (const { cells, line } of readCsv(textOfFile(file, order.advance))) {
      const isHeader = header === undefined;
      header ??= headerOf(cells, order);
      if (isHeader && header !== FIREBASE_HEADER) continue;
      const names = header;
      yield personOf(
        cells.map((cell, n) => [names[n] ?? `column ${n + 1}`, cell]),
        `line ${line}`,
        order,
      );
    }
  } catch (error) {
    throw error instanceof NotRead ? new Error(`${quoted(file.path)}: ${error.message}`) : error;
  }
}

/** @throws NotRead for a file in which no column has addresses. */
function headerOf(cells: string[], { columns }: UsersOrder): string[] {
  const missing = [...columns.keys()].find((name) => !cells.includes(name));
  if (missing !== undefined)
    throw new NotRead(`--columns names ${quoted(missing)}, and the first line has ${cells.map(quoted).join(', ')}`);
  const means = cells.map((cell) => columnFor(cell, columns)?.meaning);
  if (means.includes('email') || means.includes('username')) return cells;
  if (/^[^@\s]+@[^@\s]+$/.test(cells[1] ?? '') && /^(true|false)$/.test(cells[2] ?? '')) return FIREBASE_HEADER;
  throw new NotRead(
    cells.some((cell) => cell.includes('@'))
      ? 'its first line has no names of columns: write them above the rest, such as email,name,password_hash'
      : `no column has addresses: it has ${cells.slice(0, 30).map(quoted).join(', ')}. Say which by --columns email=NAME`,
  );
}

// Members that have members of their own which say something of a user.
const CONTAINERS = ['profile', 'traits', 'attributes', 'name', 'custom_password_hash', 'hash', 'user_metadata'];

/** @returns pairs of paths and values. Cognito gives attributes as a list of names and values. */
function flattened(record: Fields, prefix = ''): [string, string][] {
  return Object.entries(record).flatMap(([name, value]): [string, string][] => {
    const field = `${prefix}${name}`;
    if (Array.isArray(value) && value.length && value.every((one) => isFields(one) && 'Name' in one && 'Value' in one))
      return value.map((one) => [`${field}.${String(one.Name)}`, String(one.Value)]);
    if (isFields(value) && CONTAINERS.includes(name.toLowerCase()) && prefix.split('.').length < 4) return flattened(value, `${field}.`);
    if (value === null || value === undefined) return [];
    return [[field, typeof value === 'object' ? JSON.stringify(value) : String(value)]];
  });
}

const REASONS: [RegExp, string][] = [
  [/mfa|otp|factor/i, 'a second factor is bound to the other server: they add one here'],
  [/provider|identit|google|facebook|twitter|github/i, 'they link their accounts elsewhere again'],
  [/created|updated|last.?(login|sign)|creation/i, 'an account is as old here as its import'],
  [/role|group|permission/i, 'there are no roles in tokens here: an API keeps its own'],
];
const OTHERWISE = 'an account has a name, an address and a language here';

const isYes = (text: string): boolean => /^(true|t|yes|y|1)$/i.test(text);
const isNo = (text: string): boolean => /^(false|f|no|n|0)$/i.test(text);
const DISABLED = /^(deprovisioned|deactivated|suspended|disabled|blocked|inactive|archived|banned)$/i;

type Found = Partial<Record<Meaning, Value & { rank: number }>>;

function personOf(row: [string, string][], where: string, { columns, firebase }: UsersOrder): Person {
  const found: Found = {};
  const left: string[] = [];
  for (const [field, text] of row) {
    if (!text) continue;
    const column = columnFor(field, columns);
    const other = column && found[column.meaning];
    if (!column || (other && other.rank <= column.rank)) left.push(field);
    else {
      if (other) left.push(other.field);
      found[column.meaning] = { field, text, rank: column.rank };
    }
  }
  const person = settlePerson(toldOf(found, where, firebase));
  if (found.email_verified && isYes(found.email_verified.text)) note(person, found.email_verified.field);
  if (found.username && found.email) note(person, found.username.field, 'they get one after their address, and may change it', 'dropped');
  for (const field of left)
    if (!isNo(row.find(([name]) => name === field)?.[1] ?? ''))
      note(person, field, REASONS.find(([pattern]) => pattern.test(field))?.[1] ?? OTHERWISE, 'dropped');
  return person;
}

function toldOf(found: Found, where: string, firebase: FirebaseConfig | undefined): Told {
  const { email, username, name, given_name: given, family_name: family, id, locale } = found;
  const address = email ?? (username?.text.includes('@') ? username : undefined);
  const both = [given, family].filter((one) => one !== undefined);
  const whole = { field: both.map(({ field }) => field).join(', '), text: fullName(given?.text, family?.text) };
  const off = (found.disabled && isYes(found.disabled.text)) || (found.enabled && isNo(found.enabled.text));
  return {
    where: username ? `${where} ${username.text.slice(0, 100)}` : where,
    names: [...(name ? [name] : []), ...(both.length ? [whole] : []), ...(username && !username.text.includes('@') ? [username] : [])],
    emailVerified: isYes(found.email_verified?.text ?? ''),
    disabled: Boolean(off) || DISABLED.test(found.status?.text ?? ''),
    ...(address && { email: address }),
    ...(username && { username: username.text }),
    ...(id && { id }),
    ...(locale && { locale }),
    ...passwordOf(found, firebase),
  };
}

/** A Korean family name stands first, and without a space. */
function fullName(given = '', family = ''): string {
  const isKorean = /^\p{Script=Hangul}+$/u.test(`${given}${family}`);
  return isKorean ? `${family}${given}` : [given, family].filter(Boolean).join(' ');
}

function passwordOf(
  { password_hash: hash, salt }: Found,
  firebase: FirebaseConfig | undefined,
): Pick<Told, 'password' | 'passwordProblem'> {
  if (!hash) return {};
  if (readForeignHash(hash.text)) return { password: hash };
  if (/^password$/i.test(hash.field) && !hash.text.includes('$'))
    return { password: hash, passwordProblem: 'a password in clear is not imported' };
  if (!salt) return { password: hash };
  if (!firebase) return { password: hash, passwordProblem: 'it is a hash of Firebase, whose parameters --hash-config FILE gives' };
  return { password: { field: hash.field, text: firebaseString(firebase, salt.text, hash.text) } };
}
