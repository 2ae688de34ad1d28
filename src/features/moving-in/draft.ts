/**
 * Owns a client during its import from another server: our metadata for it, and what happened to each field of the record. Does not judge
 * the client as a whole (oauth/clients/operator-client.ts), and does not store it.
 */

export type FieldNote = { field: string; outcome: 'kept' | 'changed' | 'dropped'; from?: string; to?: string; why?: string };

export type Draft = {
  clientId: string;
  name: string;
  /** Metadata of RFC 7591, without a secret. */
  metadata: Record<string, unknown>;
  /** `reissue`: the client needs a secret, and the export has none that we can store. */
  secret: { kind: 'none' } | { kind: 'kept'; value: string } | { kind: 'reissue' };
  suspended: boolean;
  fields: FieldNote[];
  /** Why it is not imported although nothing is wrong with it. */
  passedOver?: string;
  /** What is wrong with it, and what would be right. */
  refusal?: string;
};

/** A record of an export, known only to be an object. */
export type Fields = Record<string, unknown>;

/** What happens to a field: the reason why it is dropped, or a function that handles it. */
export type Rule = string | ((value: unknown, draft: Draft) => void);

/** How to find and read the clients in another server's export. */
export type Source = {
  /** A description of the expected shape, for the error message. */
  expected: string;
  /** @returns undefined when the document has another shape. */
  clientsIn(document: unknown): unknown[] | undefined;
  read(record: Fields, scopes: string[]): Draft;
};

/** Another function handles this field and reports it. */
export const ELSEWHERE: Rule = () => {};

const LONGEST_TOLD = 200;
const MAX_DEPTH = 64;

export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

export const textOf = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

/** @returns the non-empty strings of a list; other members are ignored. */
export const stringsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((member): member is string => typeof member === 'string' && member !== '') : [];

export function createDraft(clientId: string, name: string): Draft {
  return { clientId, name, metadata: {}, secret: { kind: 'none' }, suspended: false, fields: [] };
}

export function kept(draft: Draft, field: string, value?: unknown): void {
  draft.fields.push({ field, outcome: 'kept', ...(value === undefined ? undefined : { to: told(value) }) });
}

export function changed(draft: Draft, field: string, { from, to, why }: { from: unknown; to: unknown; why: string }): void {
  draft.fields.push({ field, outcome: 'changed', from: told(from), to: told(to), why });
}

export function dropped(draft: Draft, field: string, why: string, from?: unknown): void {
  draft.fields.push({ field, outcome: 'dropped', ...(from === undefined ? undefined : { from: told(from) }), why });
}

/** The first refusal counts, since later ones may follow from it. */
export function refuse(draft: Draft, sentence: string): void {
  draft.refusal ??= sentence;
}

/** Applies the rules to all fields of a record. Empty and false values are ignored. An unknown field is reported as dropped. */
export function walk(draft: Draft, record: Fields, rules: Record<string, Rule>, prefix = ''): void {
  for (const [field, value] of Object.entries(record)) {
    if (saysNothing(value)) continue;
    const rule = Object.hasOwn(rules, field) ? rules[field] : undefined;
    if (typeof rule === 'function') rule(value, draft);
    else dropped(draft, `${prefix}${field}`, rule ?? 'this server has nothing like it');
  }
}

function saysNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false || value === 'false') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** @returns a foreign value for the report, shortened and without a password in an address. */
function told(value: unknown): string {
  const text = (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).replace(/\/\/[^/?#\s]*@/g, '//…@');
  return text.length > LONGEST_TOLD ? `${text.slice(0, LONGEST_TOLD)}…` : text;
}

/**
 * @returns whether a document nests deeper than any real export. It does not recurse, because such a document aims to exhaust the stack.
 */
export function isTooDeep(document: unknown): boolean {
  let level = [document];
  for (let depth = 0; level.length; depth += 1) {
    if (depth > MAX_DEPTH) return true;
    const below: unknown[] = [];
    for (const value of level)
      if (typeof value === 'object' && value !== null) for (const member of Object.values(value)) below.push(member);
    level = below;
  }
  return false;
}
