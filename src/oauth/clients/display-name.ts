import { domainToUnicode } from 'node:url';
import { LANGUAGES, type Language } from '../../http/language.ts';
import { isBlank, withoutDeceptive } from '../../platform/visible-text.ts';

/** Owns how what clients and strangers call themselves is shown to people: so that it cannot pass for something else, or reorder our words. */

export const MAX_NAME_CHARACTERS = 100;

/** A name without deceptive characters, on one line and of bounded length; `otherwise` when nothing of it is left to see. */
export function displayName(name: string | undefined, otherwise: string): string {
  const characters = [
    ...withoutDeceptive(name ?? '', (part) => (/\s/.test(part) ? ' ' : ''))
      .replace(/\s+/g, ' ')
      .trim(),
  ];
  if (isBlank(characters.join(''))) return otherwise;
  return characters.length > MAX_NAME_CHARACTERS ? `${characters.slice(0, MAX_NAME_CHARACTERS - 1).join('')}…` : characters.join('');
}

/** Metadata that a client may say in each language beside the plain one, such as `client_name#ko` (RFC 7591 section 2.2). */
export const LOCALIZED = ['client_name', 'tos_uri', 'policy_uri'] as const;

export type Localized = (typeof LOCALIZED)[number];

/** The members by which a client says it in one of our languages. */
export const localizedMembers = (member: Localized): string[] => LANGUAGES.map((language) => localizedMember(member, language));

/** The member that says it in a language, if the client does. */
export const localizedMember = (member: Localized, language: Language): string => `${member}#${language}`;

/** As the library has read a client; whatever is not the standard's stands under its own name. */
type ReadClient = { clientId: string; clientName?: string | undefined; tosUri?: string | undefined; policyUri?: string | undefined };

/** What a client is called in a reader's language, or else in general; its id when it has no name. */
export function nameOfClient(client: ReadClient, language: Language): string {
  return displayName(inLanguage(client, 'client_name', language) ?? client.clientName, client.clientId);
}

/** A client's pages about its terms and about privacy, in a reader's language where it has them. */
export function pagesOfClient(client: ReadClient, language: Language): { policyUri: string | undefined; tosUri: string | undefined } {
  return {
    policyUri: inLanguage(client, 'policy_uri', language) ?? client.policyUri,
    tosUri: inLanguage(client, 'tos_uri', language) ?? client.tosUri,
  };
}

function inLanguage(client: ReadClient, member: Localized, language: Language): string | undefined {
  const said = (client as unknown as Record<string, unknown>)[localizedMember(member, language)];
  return typeof said === 'string' ? said : undefined;
}

// Letters that nobody mistakes for those of another script, beside the letters, digits and hyphen of ASCII names.
const HANGUL_LABEL = /^[가-힣0-9-]+$/;
const ASCII_LABEL = /^(?!xn--)[a-z0-9-]+$/;

/**
 * A host as its owner would write it, when that can be mistaken for nothing else; undefined when it is better shown as it is registered.
 * Cyrillic `аррӏе` looks like Latin and stays `xn--80ak6aa92e`; Hangul looks like nothing but itself.
 */
export function readableHost(host: string): string | undefined {
  if (!/(^|\.)xn--/.test(host)) return undefined;
  const readable = domainToUnicode(host.replace(/:\d+$/, ''));
  if (!readable?.split('.').every((label) => HANGUL_LABEL.test(label) || ASCII_LABEL.test(label))) return undefined;
  return readable + (/:\d+$/.exec(host)?.[0] ?? '');
}
