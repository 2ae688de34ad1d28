import type { ClientMetadata } from '../../../oauth/clients/store.ts';

/**
 * Owns the meaning of the portal's first two questions: where a client runs, and whether a user signs in. The answers decide its
 * authentication method and its grant types (RFC 6749 section 2.1, RFC 8252, RFC 8628).
 */

export const PLACES = ['server', 'browser', 'native', 'device', 'service'] as const;

export type RunPlace = (typeof PLACES)[number];

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export type Chosen = Required<
  Pick<ClientMetadata, 'token_endpoint_auth_method' | 'grant_types' | 'response_types' | 'application_type'>
> & { application_type: 'web' | 'native' };

const WITH_PERSON: Partial<Record<RunPlace, Chosen>> = {
  server: choose('client_secret_basic', ['authorization_code', 'refresh_token'], 'web'),
  browser: choose('none', ['authorization_code', 'refresh_token'], 'web'),
  native: choose('none', ['authorization_code', 'refresh_token'], 'native'),
  device: choose('none', [DEVICE_GRANT, 'refresh_token'], 'native'),
};

const BY_ITSELF: Partial<Record<RunPlace, Chosen>> = {
  server: choose('client_secret_basic', ['client_credentials'], 'web'),
  service: choose('client_secret_basic', ['client_credentials'], 'web'),
};

function choose(method: string, grants: string[], type: 'web' | 'native'): Chosen {
  const responses = grants.includes('authorization_code') ? ['code'] : [];
  return { token_endpoint_auth_method: method, grant_types: grants, response_types: responses, application_type: type };
}

/**
 * @returns undefined for answers that do not fit together. A client that cannot keep a secret cannot act for itself, and no user signs in
 * at a service.
 */
export function chosenBy(place: RunPlace, person: boolean): Chosen | undefined {
  return (person ? WITH_PERSON : BY_ITSELF)[place];
}

/** @returns whether the client gets no tokens of its own, such as one that only introspects for an API. */
export const asksForNothing = ({ grant_types: grants }: Record<string, unknown>): boolean => Array.isArray(grants) && !grants.length;

/** @returns whether users consent to what it requests. */
export const signsPeopleIn = ({ grant_types: grants = ['authorization_code'] }: Record<string, unknown>): boolean =>
  Array.isArray(grants) && ['authorization_code', DEVICE_GRANT].some((grant) => grants.includes(grant));

/** @returns whether the client receives answers at a redirect URI. */
export const isRedirected = ({ grant_types }: Pick<Chosen, 'grant_types'>): boolean =>
  Array.isArray(grant_types) && grant_types.includes('authorization_code');

/**
 * Derives the answers from the metadata. They are not stored separately, so the two cannot differ.
 * @returns undefined for a client created in another way; `introspector` for one that an API's page created.
 */
export function placeOf(metadata: Record<string, unknown>): RunPlace | 'introspector' | undefined {
  if (asksForNothing(metadata)) return 'introspector';
  const { grant_types: grants, token_endpoint_auth_method: method = 'client_secret_basic', application_type: type = 'web' } = metadata;
  const same = (chosen: Chosen) =>
    chosen.token_endpoint_auth_method === method &&
    chosen.application_type === type &&
    sameSet(chosen.grant_types, grants ?? ['authorization_code']);
  const found = [WITH_PERSON, BY_ITSELF].flatMap((table) => PLACES.filter((place) => table[place] && same(table[place])));
  // A server that acts for itself and a service have the same metadata.
  return found.at(-1);
}

const sameSet = (left: unknown, right: unknown): boolean =>
  Array.isArray(left) && Array.isArray(right) && new Set(left).symmetricDifference(new Set(right)).size === 0;
