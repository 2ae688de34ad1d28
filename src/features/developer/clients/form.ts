import type { Problem } from '../../../http/problem.ts';
import type { App } from '../../../oauth/app.ts';
import { displayName, MAX_NAME_CHARACTERS } from '../../../oauth/clients/display-name.ts';
import type { MetadataProblem } from '../../../oauth/clients/metadata/client-judgement.ts';
import { type Places, placesOf } from '../../../oauth/clients/metadata/registration-policy.ts';
import { MAX_URIS, redirectUriProblems } from '../../../oauth/clients/redirect-uri.ts';
import { webLinkFault } from '../../../oauth/clients/web-link.ts';
import type { Config } from '../../../platform/config.ts';
import { isBlank, isDeceptive, withoutDeceptive } from '../../../platform/visible-text.ts';

/**
 * Owns the form fields that describe a client, for creation and for changes, and the problems shown beside them.
 * oauth/clients/metadata/client-judgement.ts decides: it also finds every problem of this file. A problem that only it finds uses a
 * sentence of this file, if there is one.
 */

/** The form fields, named by the metadata member they become (RFC 7591 section 2). Lists have one value a line. */
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

export type Typed = Record<string, string>;

/** @returns the typed text by field; a field that the form does not have is empty. */
export function typedIn(form: URLSearchParams, fields: readonly string[]): Typed {
  return Object.fromEntries(fields.map((field) => [field, (form.get(field) ?? '').replaceAll('\r\n', '\n').trim()]));
}

/** @returns the metadata members of the filled fields; empty fields are left out. */
export function membersOf(typed: Typed): Record<string, unknown> {
  const texts = [...NAMES, ...LINKS].filter((field) => typed[field]).map((field) => [field, typed[field]] as const);
  const lists = URI_LISTS.filter((field) => typed[field]).map((field) => [field, linesOf(typed[field])] as const);
  return Object.fromEntries([...texts, ...lists]);
}

export const linesOf = (text = ''): string[] => text.split('\n').filter((line) => line.trim() !== '');

/**
 * @returns the problems of the typed fields.
 * @param redirected whether the client needs a redirect URI.
 * @param held the client's current URIs. They stay valid: an operator may have registered one on a private network.
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
 * @returns a problem of the metadata as problems of the form, in the user's language where a sentence exists, otherwise as the library's message.
 * @param metadata the refused metadata.
 */
export function problemsOf(
  metadata: Record<string, unknown>,
  { member = 'client_name', sentence, like }: MetadataProblem,
  { config, resourceServers }: Pick<App, 'config' | 'resourceServers'>,
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

/**
 * The portal's own callback is as safe as this server, so the list may hold it beside the client's own URIs: see registration-policy.ts.
 */
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

// Replaces invisible characters and those that change the text direction with a visible one, so that the user sees them.
const visible = (uri: string): string => withoutDeceptive(uri.slice(0, 100), () => '\ufffd') + (uri.length > 100 ? '…' : '');
