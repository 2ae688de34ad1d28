import { LANGUAGES } from '../../http/language.ts';
import { emailProblem, normalizeEmail } from '../../people/email-address.ts';
import { readForeignHash } from '../../people/foreign-passwords/kinds.ts';
import { nameFault, tidyName } from '../../people/names.ts';
import { isStorable } from '../../platform/database.ts';
import { timeOrderedId } from '../../platform/secrets.ts';
import type { FieldNote } from './draft.ts';

/** Owns a user during an import: what the other server said of them, in our terms, and what happened to each field. Does not store them. */

export type Person = {
  /** Where they stand in the file, for the report. */
  where: string;
  /** The subject identifier by which clients know the user. */
  id: string;
  /** The file has it. Otherwise it is new, and no other user can have it. */
  keepsId: boolean;
  email: string;
  emailVerified: boolean;
  name: string;
  locale?: string;
  disabled: boolean;
  passwordHash?: string;
  fields: Omit<FieldNote, 'from' | 'to'>[];
  /** Why the user is not imported although nothing is wrong. */
  passedOver?: string;
  refusal?: string;
};

/** What a file says of one user, under the names of the fields that it came from. */
export type Told = {
  where: string;
  id?: Value;
  email?: Value;
  /** Names in order; the first one that a user may have is taken. */
  names: Value[];
  username?: string;
  emailVerified?: boolean;
  disabled?: boolean;
  locale?: Value;
  password?: Value;
  /** Why the password that the file has is not imported. */
  passwordProblem?: string;
};
export type Value = { field: string; text: string };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
// What a spreadsheet would compute, and no address or name of a user.
const FORMULA = /^[=]|^[+@-].*\(/;

const CHOOSES = 'they choose a password by a mail from the sign-in page';

/** @returns the user as the account will be. Fields that the reader of the file knows are not imported follow in `fields`. */
export function settlePerson(told: Told): Person {
  const said = told.email?.text ?? '';
  const email = normalizeEmail(said);
  const person: Person = {
    where: told.where,
    id: '',
    keepsId: false,
    email,
    emailVerified: told.emailVerified === true,
    name: '',
    disabled: told.disabled === true,
    fields: [],
  };
  if (FORMULA.test(said)) person.refusal = 'its address is a formula of a spreadsheet';
  else if (emailProblem(email) || !isStorable(email))
    person.refusal = `it has no address that mail can be sent to${naming(said || told.username)}, by which they could sign in`;
  else if (told.email) note(person, told.email.field, email === said ? undefined : 'one spelling an address');
  settleId(person, told.id);
  settleName(person, told.names);
  settlePassword(person, told);
  if (told.locale) settleLocale(person, told.locale);
  if (person.disabled) note(person, 'enabled', 'the account is disabled');
  return person;
}

const naming = (text = ''): string => (text ? ` (${text.slice(0, 100)})` : '');

export function note(person: Person, field: string, why?: string, outcome: FieldNote['outcome'] = why ? 'changed' : 'kept'): void {
  person.fields.push({ field, outcome, ...(why === undefined ? undefined : { why }) });
}

function settleId(person: Person, id: Value | undefined): void {
  const own = id?.text.toLowerCase() ?? '';
  person.keepsId = UUID.test(own);
  person.id = person.keepsId ? own : timeOrderedId();
  if (id) note(person, id.field, person.keepsId ? undefined : 'it is no UUID: apps know them by another subject identifier');
}

function settleName(person: Person, names: Value[]): void {
  const tidy = names.map(({ field, text }) => ({ field, text: tidyName(text) })).filter(({ text }) => text);
  const right = tidy.find(({ text }) => !nameFault(text) && isStorable(text) && !FORMULA.test(text));
  person.name = right?.text ?? (person.email.slice(0, person.email.lastIndexOf('@')) || person.email);
  const [first] = tidy;
  if (right) note(person, right.field);
  if (first && first !== right)
    note(person, first.field, 'it is no name that users may have: they are called by another until they say otherwise');
}

function settlePassword(person: Person, { password, passwordProblem }: Told): void {
  const text = password?.text ?? '';
  const hash = readForeignHash(text);
  const problem = passwordProblem ?? (!text || hash ? hash?.problem : 'it is no hash that this server verifies');
  if (problem) note(person, password?.field ?? 'password', `${problem}: ${CHOOSES}`, 'dropped');
  else if (password && hash) {
    person.passwordHash = text;
    note(person, password.field);
  }
}

function settleLocale(person: Person, { field, text }: Value): void {
  const language = LANGUAGES.find((one) => one === text.slice(0, 2).toLowerCase());
  if (language) {
    person.locale = language;
    note(person, field);
  } else note(person, field, 'the pages are in Korean and English', 'dropped');
}
