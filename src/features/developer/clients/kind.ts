import type { ClientRecord } from '../../../oauth/clients/inspection.ts';

/** Owns the metadata that decides how a client gets tokens. A missing member has the default of RFC 7591 section 2. */

export type ClientKind = ReturnType<typeof kindOf>;

export const listOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

export function kindOf({ id, metadata, suspended_at }: ClientRecord) {
  const grants = metadata['grant_types'] === undefined ? ['authorization_code'] : listOf(metadata['grant_types']);
  return {
    id,
    authMethod: String(metadata['token_endpoint_auth_method'] ?? 'client_secret_basic'),
    suspended: suspended_at !== null,
    takesCodes: grants.includes('authorization_code'),
    own: grants.includes('client_credentials'),
    device: grants.includes('urn:ietf:params:oauth:grant-type:device_code'),
    scopes: typeof metadata['scope'] === 'string' && metadata['scope'] ? metadata['scope'].split(' ') : undefined,
  };
}
