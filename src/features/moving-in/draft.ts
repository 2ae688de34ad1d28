/**
 * Owns a client on its way in from another server: what of it will be ours, and field by field what became of what the other server said.
 * Does not judge it as a whole (oauth/clients/operator-client.ts), nor store it.
 */

export type FieldNote = { field: string; outcome: 'kept' | 'changed' | 'dropped'; from?: string; to?: string; why?: string };

export type Draft = {
  clientId: string;
  name: string;
  /** RFC 7591, without a secret. */
  metadata: Record<string, unknown>;
  /** `reissue`: it is to have one, and the export has none that can be kept. */
  secret: { kind: 'none' } | { kind: 'kept'; value: string } | { kind: 'reissue' };
  suspended: boolean;
  fields: FieldNote[];
  /** Why it is nothing to bring along, though there is nothing wrong with it. */
  passedOver?: string;
  /** What is wrong with it, and what would be right. */
  refusal?: string;
};

/** A record of an export, of which nothing is known but that it is an object. */
export type Fields = Record<string, unknown>;

/** What becomes of one field: a reason why it is dropped, or who deals with it. */
export type Rule = string | ((value: unknown, draft: Draft) => void);

/** What another server exports: how its clients are found and read. */
export type Source = {
  /** The shape that was expected, for whoever brings another. */
  expected: string;
  /** @returns undefined when the document is not of this shape. */
  clientsIn(document: unknown): unknown[] | undefined;
  read(record: Fields, scopes: string[]): Draft;
};

/** Dealt with beside others, and told of there. */
export const ELSEWHERE: Rule = () => {};

const LONGEST_TOLD = 200;
const MAX_DEPTH = 64;

export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

export const textOf = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

/** The strings of a list; whatever else is in it is none. */
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

/** The first refusal is the one that counts: what follows may follow from it. */
export function refuse(draft: Draft, sentence: string): void {
  draft.refusal ??= sentence;
}

/** Goes through all that a record says. What is empty or off says nothing; what nobody knows is told of as dropped. */
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

/** Somebody else's value as a report has it: of bounded length, and without a password that stands in an address. */
function told(value: unknown): string {
  const text = (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).replace(/\/\/[^/?#\s]*@/g, '//…@');
  return text.length > LONGEST_TOLD ? `${text.slice(0, LONGEST_TOLD)}…` : text;
}

/** Whether a document nests deeper than any export does. Not by recursion, which is what such a document is out for. */
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
