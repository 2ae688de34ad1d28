import { isOwnName } from '../../../http/similar-names.ts';
import { MAX_NAME_CHARACTERS } from '../../../oauth/clients/display-name.ts';
import { LOOPBACK } from '../../../oauth/clients/hosts.ts';
import { JWT_TYPES, SIGNING_ALGORITHMS } from '../../../oauth/clients/signing-algorithms.ts';
import { MAX_IDENTIFIER, type ResourceServer } from '../../../oauth/scopes/resource-servers.ts';
import { isBlank, isDeceptive } from '../../../platform/visible-text.ts';

/**
 * Owns the rules for names of a developer's API and of its scopes, which other users read on the consent page.
 * A problem is the message key of the portal's sentence.
 */

export const LIFETIME_SECONDS = { least: 60, most: 86_400 };
export const MAX_SCOPE_NAME = 64;
export const MAX_TITLE = 120;

/**
 * An identifier is an absolute URI without a fragment (RFC 8707 section 2), spelled as every URL parser would spell it.
 * So two spellings of one address are never two audiences.
 * @param issuer its own addresses are refused.
 * @returns the message key of the problem; undefined for a valid identifier.
 */
export function identifierProblem(identifier: string, issuer: string): string | undefined {
  if (!identifier || identifier.length > MAX_IDENTIFIER) return 'developer.apis.identifier_length';
  // The parser drops tabs and line breaks and corrects backslashes, so this check uses the text as sent.
  if (/[^\x21-\x7e]|[\\"<>`{}|^']/.test(identifier)) return 'developer.apis.identifier_characters';
  const url = URL.parse(identifier);
  if (!url) return 'developer.apis.identifier_uri';
  if (identifier.includes('#')) return 'developer.apis.identifier_fragment';
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.has(url.hostname))) return 'developer.apis.identifier_scheme';
  if (url.username || url.password || identifier.endsWith('?') || ![url.href, url.href.replace(/\/$/, '')].includes(identifier))
    return 'developer.apis.identifier_spelling';
  // A host name with a trailing dot is the same host.
  if (`${url.protocol}//${url.host.replace(/\.(?=:|$)/, '')}` === new URL(issuer).origin) return 'developer.apis.identifier_ours';
  return undefined;
}

export type ApiFields = {
  name: string;
  /** Its name in one language; null where it does not differ. */
  nameKo: string | null;
  nameEn: string | null;
  tokenFormat: string;
  jwtAlgorithm: string;
  jwtType: string;
  accessTokenTtlSeconds: number;
  resourceRequired: boolean;
};

export function apiProblem({
  name,
  nameKo,
  nameEn,
  tokenFormat,
  jwtAlgorithm,
  jwtType,
  accessTokenTtlSeconds: seconds,
}: ApiFields): string | undefined {
  if (!isLine(name, MAX_NAME_CHARACTERS)) return 'developer.apis.name';
  if (nameKo !== null && !isLine(nameKo, MAX_NAME_CHARACTERS)) return 'developer.apis.in_korean.name_ko';
  if (nameEn !== null && !isLine(nameEn, MAX_NAME_CHARACTERS)) return 'developer.apis.in_english.name_en';
  // The page shows the API's host beside its name. Still, no developer's API may use this server's name.
  if ([name, nameKo, nameEn].some((text) => text !== null && isOwnName(text))) return 'developer.apis.ours.name';
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
  /** Null: a request without scopes gets this scope unless it is sensitive. */
  isDefault: boolean | null;
  position: number;
};

/**
 * @param own the server's own API, whose scopes may be asked for together with those of any other API.
 * @param providers ids of upstream providers.
 */
export function scopeNameProblem(name: string, own: Pick<ResourceServer, 'scopes'> | undefined, providers: string[]): string | undefined {
  // RFC 6749 section 3.3, without the quotes that it permits.
  if (name.length > MAX_SCOPE_NAME || !/^[\x21\x23-\x26\x28-\x5b\x5d-\x5f\x61-\x7e]+$/.test(name)) return 'developer.apis.scope_name';
  const reserved = name.startsWith('admin:') || ['openid', 'offline_access'].includes(name);
  if (reserved || own?.scopes.some((scope) => scope.name === name)) return 'developer.apis.scope_reserved';
  return providers.some((id) => name.startsWith(`${id}:`)) ? 'developer.apis.scope_reserved' : undefined;
}

/** The text of a scope in each language: one line that cannot reorder the text around it. A language without a text has the other's. */
export function scopeProblem({ titleKo, titleEn, position }: ScopeFields): string | undefined {
  if (!titleKo && !titleEn) return 'developer.apis.no_title.title';
  if (!isLine(titleKo, MAX_TITLE)) return 'developer.apis.title_ko';
  if (!isLine(titleEn, MAX_TITLE)) return 'developer.apis.title_en';
  return Number.isInteger(position) && position >= 0 && position <= 999 ? undefined : 'developer.apis.position';
}

function isLine(text: string, mostCharacters: number): boolean {
  return text.trim() === text && text !== '' && [...text].length <= mostCharacters && !isDeceptive(text) && !isBlank(text);
}
