import { domainToUnicode } from 'node:url';

/** Owns how what clients and strangers call themselves is shown to people: so that it cannot pass for something else, or reorder our words. */

export const MAX_NAME_CHARACTERS = 100;

/** Control and bidirectional characters, and those that show as nothing: a name with them could pass for another on the consent page. */
export const DECEPTIVE = /[\p{Cc}\p{Cs}\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0]/u;

/** A name without deceptive characters, on one line and of bounded length; `otherwise` when nothing of it is left to see. */
export function displayName(name: string | undefined, otherwise: string): string {
  const characters = [
    ...(name ?? '')
      .replace(new RegExp(DECEPTIVE, 'gu'), (character) => (/\s/.test(character) ? ' ' : ''))
      .replace(/\s+/g, ' ')
      .trim(),
  ];
  if (!characters.length) return otherwise;
  return characters.length > MAX_NAME_CHARACTERS ? `${characters.slice(0, MAX_NAME_CHARACTERS - 1).join('')}…` : characters.join('');
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
