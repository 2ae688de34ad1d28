import { domainToUnicode } from 'node:url';
import { LANGUAGES, type Language } from '../../http/language.ts';
import { isBlank, withoutDeceptive } from '../../platform/visible-text.ts';

/** Owns how pages show names from clients and other strangers: a name must not imitate something else or reorder the text around it. */

export const MAX_NAME_CHARACTERS = 100;

/** A name without deceptive characters, on one line and of bounded length; `otherwise` when nothing visible remains. */
export function displayName(name: string | undefined, otherwise: string): string {
  const characters = [
    ...withoutDeceptive(name ?? '', (part) => (/\s/.test(part) ? ' ' : ''))
      .replace(/\s+/g, ' ')
      .trim(),
  ];
  if (isBlank(characters.join(''))) return otherwise;
  return characters.length > MAX_NAME_CHARACTERS ? `${characters.slice(0, MAX_NAME_CHARACTERS - 1).join('')}…` : characters.join('');
}

/** Metadata that a client may give per language, such as `client_name#ko` (RFC 7591 section 2.2). */
export const LOCALIZED = ['client_name', 'tos_uri', 'policy_uri'] as const;

export type Localized = (typeof LOCALIZED)[number];

/** The localized members for this server's languages. */
export const localizedMembers = (member: Localized): string[] => LANGUAGES.map((language) => localizedMember(member, language));

/** The localized member for a language. */
export const localizedMember = (member: Localized, language: Language): string => `${member}#${language}`;

/** A client as the library has read it. Members outside the standard keep their metadata name. */
type ReadClient = { clientId: string; clientName?: string | undefined; tosUri?: string | undefined; policyUri?: string | undefined };

/** @returns a client's name in the reader's language, or its general name, or its id. */
export function nameOfClient(client: ReadClient, language: Language): string {
  return displayName(inLanguage(client, 'client_name', language) ?? client.clientName, client.clientId);
}

/** @returns a client's terms and privacy pages, in the reader's language where it has them. */
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

// Letters that cannot be mistaken for those of another script: Hangul, and the letters, digits and hyphen of ASCII names.
const HANGUL_LABEL = /^[가-힣0-9-]+$/;
const ASCII_LABEL = /^(?!xn--)[a-z0-9-]+$/;

/**
 * A host in its own script when it cannot be mistaken; undefined when the registered form is safer.
 * Cyrillic `аррӏе` looks like Latin and stays `xn--80ak6aa92e`. Hangul resembles no other script.
 */
export function readableHost(host: string): string | undefined {
  if (!/(^|\.)xn--/.test(host)) return undefined;
  const readable = domainToUnicode(host.replace(/:\d+$/, ''));
  if (!readable?.split('.').every((label) => HANGUL_LABEL.test(label) || ASCII_LABEL.test(label))) return undefined;
  return readable + (/:\d+$/.exec(host)?.[0] ?? '');
}
