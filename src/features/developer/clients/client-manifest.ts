import { LANGUAGES } from '../../../http/language.ts';
import { LOCALIZED, localizedMembers } from '../../../oauth/clients/display-name.ts';
import type { ClientMetadata } from '../../../oauth/clients/store.ts';
import { isStorable } from '../../../platform/database.ts';

/**
 * Owns a client's manifest: a file with the metadata an owner may set, under the names of RFC 7591, to store beside the client's code. It
 * contains no secrets and no user ids. Imported metadata is judged as at the registration endpoint: see client-judgement.ts.
 */

export const MANIFEST_VERSION = 1;
const MAX_CHARACTERS = 16 * 1024;
// The depth of a key set with its keys' members.
const MAX_DEPTH = 8;

/** The members of a manifest, in the order in which they are written. */
const MEMBERS = [
  'client_name',
  ...localizedMembers('client_name'),
  'application_type',
  'client_uri',
  'logo_uri',
  ...LOCALIZED.filter((member) => member !== 'client_name').flatMap((member) => [member, ...localizedMembers(member)]),
  'contacts',
  'redirect_uris',
  'post_logout_redirect_uris',
  'allowed_origins',
  'grant_types',
  'response_types',
  'response_modes',
  'scope',
  'resource',
  'required_scope',
  'required_scope_reason',
  ...LANGUAGES.map((language) => `required_scope_reason#${language}`),
  'id_token_claims',
  'token_endpoint_auth_method',
  'token_endpoint_auth_signing_alg',
  'jwks',
  'jwks_uri',
  'id_token_signed_response_alg',
  'subject_type',
  'sector_identifier_uri',
  'default_max_age',
  'default_acr_values',
  'require_auth_time',
  'require_pushed_authorization_requests',
  'require_pkce',
  'dpop_bound_access_tokens',
  'refresh_token_grace',
  'refresh_token_rotation',
  'fapi_profile',
  'initiate_login_uri',
];

/**
 * Members that no owner may set. A file with one of them is refused instead of silently corrected, because its author expects an effect.
 */
const REFUSED = new Set([
  'client_id',
  'client_secret',
  'client_secret_expires_at',
  'registration_access_token',
  'registration_client_uri',
  'registration_limits',
  'dynamically_registered',
  'registered_at',
  'introspects',
  'admin_scopes',
  'owners',
  'publisher',
  'services',
  'origins',
  '__proto__',
  'constructor',
  'prototype',
]);

export type Members = Record<string, unknown>;

/** @returns the manifest members of a client's stored metadata. */
export function membersOf(metadata: Record<string, unknown>): Members {
  return Object.fromEntries(
    MEMBERS.filter((member) => Object.hasOwn(metadata, member) && metadata[member] !== undefined).map((member) => [
      member,
      metadata[member],
    ]),
  );
}

/** @returns the manifest as text. */
export function writeManifest(metadata: Record<string, unknown>): string {
  return `${JSON.stringify({ munjigi_manifest: MANIFEST_VERSION, ...membersOf(metadata) }, null, 2)}\n`;
}

/** `unknown` lists members that have no meaning here and are ignored. `problem` is the key of a sentence, `member` the name it is about. */
export type ReadManifest = { members: Members; unknown: string[] } | { problem: string; member?: string };

/** Reads and checks an uploaded manifest. */
export function readManifest(text: string): ReadManifest {
  if (text.length > MAX_CHARACTERS) return { problem: 'developer.manifest.too_long' };
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return { problem: 'developer.manifest.not_json' };
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read)) return { problem: 'developer.manifest.not_json' };
  // JSON escapes can produce characters that the database cannot store.
  if (isDeeperThan(read, MAX_DEPTH) || !isStorable(read)) return { problem: 'developer.manifest.unreadable' };
  const { munjigi_manifest: version, ...said } = read as Members;
  const refused = Object.keys(said).find((member) => REFUSED.has(member));
  if (refused) return { problem: 'developer.manifest.refused', member: refused };
  if (version !== MANIFEST_VERSION) return { problem: 'developer.manifest.version' };
  // A null member counts as absent (RFC 7591 section 2).
  const known = Object.entries(said).filter(([member, value]) => MEMBERS.includes(member) && value !== null);
  return { members: Object.fromEntries(known), unknown: Object.keys(said).filter((member) => !MEMBERS.includes(member)) };
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((member) => isDeeperThan(member, depth - 1));
}

/**
 * @returns the client's metadata with the manifest's members, before it is judged. Members that a manifest cannot have stay as they are.
 */
export function withMembers(members: Members, stored: ClientMetadata): ClientMetadata {
  const others = Object.entries(stored).filter(([member]) => !MEMBERS.includes(member));
  return { ...Object.fromEntries(others), ...members } as ClientMetadata;
}

/** @returns whether a client with this metadata has a secret. */
export const needsSecret = (members: Members): boolean =>
  !['none', 'private_key_jwt'].includes(String(members['token_endpoint_auth_method'] ?? 'client_secret_basic'));

export type Difference = { member: string; before?: string; after?: string };

/** @returns the members that differ, as text to show. */
export function differences(before: Members, after: Members): Difference[] {
  return MEMBERS.flatMap((member) => {
    const [was, is] = [inText(before[member]), inText(after[member])];
    return was === is ? [] : [{ member, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }];
  });
}

function inText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(inOrder(value));
}

/** Sorts members, because the database stores an object's members in its own order. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, inOrder(member)]),
  );
}
