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
  /** It is suspended because no redirect URI is left, until its owner gives one. */
  waits?: boolean;
  /** Redirect URIs that the operator gives it. */
  given: readonly string[];
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

/** What the files of an export have. */
export type Collected = {
  clients: Fields[];
  /** What lies beside the clients, and is not imported. */
  beside: FieldNote[];
  /** Credentials that lie in a document of their own, by its name. */
  secrets: Map<string, Fields>;
};

/** How to find and read the clients in another server's export. */
export type Source = {
  /** A description of the expected shape, for the error message. */
  expected: string;
  /** Adds what a document has. @returns false when the document has another shape. */
  take(document: unknown, into: Collected): boolean;
  /** Why a file of a folder is not read; undefined for one to read. */
  leaves?(file: string): string | undefined;
  /** What is done to a file's text before it is parsed. */
  prepare?(text: string): string;
  idOf(record: Fields): string;
  read(draft: Draft, record: Fields, scopes: string[], collected: Collected): void;
};

/** Another function handles this field and reports it. */
export const ELSEWHERE: Rule = () => {};

const LONGEST_TOLD = 200;

export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

export const textOf = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

/** @returns the non-empty strings of a list, or the one string that stands instead of a list; other members are ignored. */
export const stringsOf = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((member): member is string => typeof member === 'string' && member !== '');

export function createDraft(clientId: string, given: readonly string[] = []): Draft {
  return { clientId, name: clientId, metadata: {}, secret: { kind: 'none' }, suspended: false, given, fields: [] };
}

/** Says of everything in a record that has a value why it is not imported. @param why by field; `otherwise` for the rest. */
export function leaveBehind(beside: FieldNote[], record: Fields, why: Record<string, string>, otherwise: string): void {
  for (const [field, value] of Object.entries(record)) {
    if (saysNothing(value) || value === 0) continue;
    beside.push({ field, outcome: 'dropped', from: amountOf(value), why: Object.hasOwn(why, field) ? String(why[field]) : otherwise });
  }
}

/** How many there are, and their names where they have some. */
function amountOf(value: unknown): string {
  if (!Array.isArray(value)) return told(isFields(value) ? Object.keys(value).join(', ') : value);
  const names = value.flatMap((one) =>
    isFields(one) ? textOf(one['name'] ?? one['alias'] ?? one['identifier']) || [] : textOf(one) || [],
  );
  return told(`${value.length}${names.length ? `: ${names.join(', ')}` : ''}`);
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
