import { DECEPTIVE, MAX_NAME_CHARACTERS } from '../clients/display-name.ts';
import { MAX_URIS, redirectUriProblems } from '../clients/redirect-uri.ts';

/**
 * Owns the fields by which a client says who it is, alike where one is made and where it is changed, and what is said beside a field that is
 * wrong. The last word is authorization-server/client-judgement.ts's: what is found here is found there as well, but said in no language but English.
 */

/** What a field has, by the name of the metadata that it becomes (RFC 7591 section 2). Lists have one a line. */
export const NAMES = ['client_name', 'client_name#ko', 'client_name#en'] as const;
export const LINKS = ['client_uri', 'policy_uri', 'policy_uri#ko', 'policy_uri#en', 'tos_uri', 'tos_uri#ko', 'tos_uri#en'] as const;
export const URI_LISTS = ['redirect_uris', 'post_logout_redirect_uris'] as const;

/** `field` is the id of the field, `key` of the sentence. `about` is what was typed, to be shown beside it and never within it. */
export type Problem = { field: string; key: string; values?: Record<string, string | number>; about?: string };

export type Typed = Record<string, string>;

/** What was typed, by field; a field that the form does not have is empty. */
export function typedIn(form: URLSearchParams, fields: readonly string[]): Typed {
  return Object.fromEntries(fields.map((field) => [field, (form.get(field) ?? '').replaceAll('\r\n', '\n').trim()]));
}

/** The members that fields become: what is empty is not said. */
export function membersOf(typed: Typed): Record<string, unknown> {
  const texts = [...NAMES, ...LINKS].filter((field) => typed[field]).map((field) => [field, typed[field]] as const);
  const lists = URI_LISTS.filter((field) => typed[field]).map((field) => [field, linesOf(typed[field])] as const);
  return Object.fromEntries([...texts, ...lists]);
}

export const linesOf = (text = ''): string[] => text.split('\n').filter((line) => line.trim() !== '');

/** @param redirected whether it needs an address to send answers to. */
export function problemsIn(typed: Typed, { type, redirected }: { type: 'web' | 'native'; redirected: boolean }): Problem[] {
  return [
    ...NAMES.flatMap((field) => nameProblems(field, typed[field] ?? '')),
    ...(redirected && !linesOf(typed['redirect_uris']).length ? [{ field: 'redirect_uris', key: 'redirect_uri.missing' }] : []),
    ...URI_LISTS.flatMap((field) => uriProblems(field, linesOf(typed[field]), type)),
    ...LINKS.filter((field) => typed[field] && !isWebAddress(typed[field])).map((field) => ({ field, key: 'developer.link_wrong' })),
  ];
}

function nameProblems(field: string, name: string): Problem[] {
  if (!name) return field === 'client_name' ? [{ field, key: 'developer.name_missing' }] : [];
  if ([...name].length > MAX_NAME_CHARACTERS || DECEPTIVE.test(name))
    return [{ field, key: 'developer.name_wrong', values: { most: MAX_NAME_CHARACTERS } }];
  return [];
}

function uriProblems(field: string, uris: string[], type: 'web' | 'native'): Problem[] {
  if (uris.length > MAX_URIS) return [{ field, key: 'redirect_uri.too_many', values: { most: MAX_URIS } }];
  return redirectUriProblems(uris, type).map(({ fault, uri, right, line }) => ({
    field,
    key: `redirect_uri.${fault}`,
    values: { line, right: right ?? '' },
    about: visible(uri),
  }));
}

const isWebAddress = (text = ''): boolean => /^https?:\/\/[^\s]+$/.test(text) && URL.canParse(text) && text.length <= 2_000;

// What shows as nothing, or turns others round, shows as that it is there.
const visible = (uri: string): string => uri.slice(0, 100).replace(new RegExp(DECEPTIVE, 'gu'), '\ufffd') + (uri.length > 100 ? '…' : '');
