import { displayName, MAX_NAME_CHARACTERS } from '../../oauth/clients/display-name.ts';
import type { Refusal } from '../../oauth/clients/metadata/client-judgement.ts';
import { type Places, placesOf } from '../../oauth/clients/metadata/registration-policy.ts';
import { MAX_URIS, redirectUriProblems } from '../../oauth/clients/redirect-uri.ts';
import { webLinkFault } from '../../oauth/clients/web-link.ts';
import type { OwnServices } from '../../pages/own-pages.ts';
import type { Config } from '../../platform/config.ts';
import { isBlank, isDeceptive, withoutDeceptive } from '../../platform/visible-text.ts';

/**
 * Owns the fields by which a client says who it is, alike where one is made and where it is changed, and what is said beside a field that is
 * wrong. The last word is oauth/clients/metadata/client-judgement.ts's: what is found here is found there as well, and what is found there alone is
 * said in the words of this file, as far as it has any.
 */

/** What a field has, by the name of the metadata that it becomes (RFC 7591 section 2). Lists have one a line. */
export const NAMES = ['client_name', 'client_name#ko', 'client_name#en'] as const;
export const LINKS = [
  'client_uri',
  'logo_uri',
  'policy_uri',
  'policy_uri#ko',
  'policy_uri#en',
  'tos_uri',
  'tos_uri#ko',
  'tos_uri#en',
] as const;
export const URI_LISTS = ['redirect_uris', 'post_logout_redirect_uris'] as const;

/**
 * `field` is the id of the field, `key` of the sentence. `about` is what was typed, to be shown beside it and never within it, or the library's
 * own English.
 */
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

/**
 * @param redirected whether it needs an address to send answers to.
 * @param held the addresses that it has: an operator may have registered one on a private network, which stays.
 */
export function problemsIn(
  typed: Typed,
  { redirected, config, held = [] }: { redirected: boolean; config: Config; held?: string[] },
): Problem[] {
  const places = placesOf(config);
  return [
    ...NAMES.flatMap((field) => nameProblems(field, typed[field] ?? '')),
    ...(redirected && !linesOf(typed['redirect_uris']).length ? [{ field: 'redirect_uris', key: 'redirect_uri.missing' }] : []),
    ...URI_LISTS.flatMap((field) => uriProblems(field, linesOf(typed[field]), { ...places, held })),
    ...LINKS.flatMap((field) => linkProblems(field, typed[field] ?? '', places)),
  ];
}

/**
 * What was refused, in the reader's language where there is a sentence for it; otherwise as the library says it.
 * @param metadata that was refused.
 */
export function problemsOf(
  metadata: Record<string, unknown>,
  { member = 'client_name', sentence, like }: Refusal,
  { config, resourceServers }: Pick<OwnServices, 'config' | 'resourceServers'>,
): Problem[] {
  const said = metadata[member];
  const known = (): Problem[] => {
    if (like !== undefined)
      return [
        {
          field: member,
          key: like === null ? 'developer.name_ours' : 'developer.name_similar',
          ...(like !== null && { about: displayName(like, '') }),
        },
      ];
    if (NAMES.some((name) => name === member)) return typeof said === 'string' ? nameProblems(member, said) : [];
    if (URI_LISTS.some((list) => list === member) && isListOfText(said))
      return uriProblems(member, said, { ...placesOf(config), held: [] });
    if (member === 'scope' && typeof said === 'string') {
      const scopes = resourceServers.flatMap((server) => server.scopes.map(({ name }) => name));
      const unknown = said.split(' ').filter((scope) => !scopes.includes(scope));
      return unknown.length ? [{ field: member, key: 'developer.scope_gone', about: visible(unknown.join(' ')) }] : [];
    }
    const page = LINKS.some((link) => link === member);
    const places = { ...placesOf(config), loopbackPages: page && placesOf(config).loopbackPages };
    return typeof said === 'string' && (page || member.endsWith('_uri')) ? linkProblems(member, said, places) : [];
  };
  const problems = known();
  return problems.length ? problems : [{ field: member, key: 'developer.refused', about: sentence }];
}

const isListOfText = (value: unknown): value is string[] => Array.isArray(value) && value.every((one) => typeof one === 'string');

function nameProblems(field: string, name: string): Problem[] {
  if (!name) return field === 'client_name' ? [{ field, key: 'developer.name_missing' }] : [];
  if ([...name].length > MAX_NAME_CHARACTERS || isDeceptive(name) || isBlank(name))
    return [{ field, key: 'developer.name_wrong', values: { most: MAX_NAME_CHARACTERS } }];
  return [];
}

/** Our own page to try a client is as safe as this server is, see registration-policy.ts. It stands in the list like the others. */
function uriProblems(field: string, uris: string[], { own: ownOrigins, tryCallback, held }: Places & { held: string[] }): Problem[] {
  const own = field === 'redirect_uris' ? tryCallback : undefined;
  if (uris.filter((uri) => uri !== own).length > MAX_URIS) return [{ field, key: 'redirect_uri.too_many', values: { most: MAX_URIS } }];
  const has = (uri: string) => held.includes(uri);
  return redirectUriProblems(uris, { own: ownOrigins, tryCallback: own, privateHttp: has, held: has }).map(
    ({ fault, uri, right, line }) => ({
      field,
      key: `redirect_uri.${fault}`,
      values: { line, right: right ?? '' },
      about: visible(uri),
    }),
  );
}

function linkProblems(field: string, link: string, { loopbackPages }: Places): Problem[] {
  const fault = link && webLinkFault(link, loopbackPages);
  return fault ? [{ field, key: `link.${fault}` }] : [];
}

// What shows as nothing, or turns others round, shows as that it is there.
const visible = (uri: string): string => withoutDeceptive(uri.slice(0, 100), () => '\ufffd') + (uri.length > 100 ? '…' : '');
