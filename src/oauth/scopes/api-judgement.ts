import { isOwnName } from '../../http/similar-names.ts';
import { isBlank, isDeceptive } from '../../platform/visible-text.ts';
import { MAX_NAME_CHARACTERS } from '../clients/display-name.ts';
import { LOOPBACK } from '../clients/hosts.ts';
import { JWT_TYPES, SIGNING_ALGORITHMS } from '../clients/signing-algorithms.ts';
import type { ResourceServer } from './resource-servers.ts';

/**
 * Owns what an API that a developer registers may be called, and its scopes: other people read both on the consent page.
 * A problem is the key of the sentence that the portal has for it.
 */

export const LIFETIME_SECONDS = { least: 60, most: 86_400 };
export const MAX_IDENTIFIER = 255;
export const MAX_SCOPE_NAME = 64;
export const MAX_TITLE = 120;

/**
 * An absolute URI without a fragment (RFC 8707 section 2), spelled as every URL parser would spell it: two spellings of one place are never two
 * audiences. @param issuer whose own places are nobody's.
 */
export function identifierProblem(identifier: string, issuer: string): string | undefined {
  if (!identifier || identifier.length > MAX_IDENTIFIER) return 'developer.apis.identifier_length';
  // The parser drops tabs and line breaks and mends backslashes: the text is judged as it was sent.
  if (/[^\x21-\x7e]|[\\"<>`{}|^']/.test(identifier)) return 'developer.apis.identifier_characters';
  const url = URL.parse(identifier);
  if (!url) return 'developer.apis.identifier_uri';
  if (identifier.includes('#')) return 'developer.apis.identifier_fragment';
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.has(url.hostname))) return 'developer.apis.identifier_scheme';
  if (url.username || url.password || identifier.endsWith('?') || ![url.href, url.href.replace(/\/$/, '')].includes(identifier))
    return 'developer.apis.identifier_spelling';
  // A name with the root's dot at its end is the same host's.
  if (`${url.protocol}//${url.host.replace(/\.(?=:|$)/, '')}` === new URL(issuer).origin) return 'developer.apis.identifier_ours';
  return undefined;
}

export type ApiFields = {
  name: string;
  tokenFormat: string;
  jwtAlgorithm: string;
  jwtType: string;
  accessTokenTtlSeconds: number;
  resourceRequired: boolean;
};

export function apiProblem({ name, tokenFormat, jwtAlgorithm, jwtType, accessTokenTtlSeconds: seconds }: ApiFields): string | undefined {
  if (!isLine(name, MAX_NAME_CHARACTERS)) return 'developer.apis.name';
  // Its host stands beside it; but nobody asks for consent in this server's name.
  if (isOwnName(name)) return 'developer.apis.ours.name';
  if (tokenFormat !== 'opaque' && tokenFormat !== 'jwt') return 'developer.apis.format';
  if (!(SIGNING_ALGORITHMS as readonly string[]).includes(jwtAlgorithm)) return 'developer.apis.algorithm';
  if (!(JWT_TYPES as readonly string[]).includes(jwtType)) return 'developer.apis.type';
  if (!Number.isInteger(seconds) || seconds < LIFETIME_SECONDS.least || seconds > LIFETIME_SECONDS.most) return 'developer.apis.lifetime';
  return undefined;
}

export type ScopeFields = {
  name: string;
  titleKo: string;
  titleEn: string;
  sensitive: boolean;
  mayBeRequired: boolean;
  /** Null: a request that names no scope gets it unless it is sensitive. */
  isDefault: boolean | null;
  position: number;
};

/** @param own the server's own API, whose scopes are asked for beside those of any other. @param providers ids of upstream providers. */
export function scopeNameProblem(name: string, own: Pick<ResourceServer, 'scopes'> | undefined, providers: string[]): string | undefined {
  // RFC 6749 section 3.3, without the quotes that it leaves.
  if (name.length > MAX_SCOPE_NAME || !/^[\x21\x23-\x26\x28-\x5b\x5d-\x5f\x61-\x7e]+$/.test(name)) return 'developer.apis.scope_name';
  const reserved = name.startsWith('admin:') || ['openid', 'offline_access'].includes(name);
  if (reserved || own?.scopes.some((scope) => scope.name === name)) return 'developer.apis.scope_reserved';
  return providers.some((id) => name.startsWith(`${id}:`)) ? 'developer.apis.scope_reserved' : undefined;
}

/** What people read of a scope: a sentence in each language, on one line, that reorders nothing round it. */
export function scopeProblem({ titleKo, titleEn, position }: ScopeFields): string | undefined {
  if (!isLine(titleKo, MAX_TITLE)) return 'developer.apis.title_ko';
  if (!isLine(titleEn, MAX_TITLE)) return 'developer.apis.title_en';
  return Number.isInteger(position) && position >= 0 && position <= 999 ? undefined : 'developer.apis.position';
}

function isLine(text: string, mostCharacters: number): boolean {
  return text.trim() === text && text !== '' && [...text].length <= mostCharacters && !isDeceptive(text) && !isBlank(text);
}
