import type { ClientMetadata } from '../../oauth/clients/store.ts';

/**
 * Owns what the two first questions of the portal choose: where an app runs, and whether a person signs in, decide how it proves who it is and
 * by which grant it gets tokens (RFC 6749 section 2.1, RFC 8252, RFC 8628).
 */

export const PLACES = ['server', 'browser', 'native', 'device', 'service'] as const;

export type Place = (typeof PLACES)[number];

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export type Chosen = Required<
  Pick<ClientMetadata, 'token_endpoint_auth_method' | 'grant_types' | 'response_types' | 'application_type'>
> & { application_type: 'web' | 'native' };

const WITH_PERSON: Partial<Record<Place, Chosen>> = {
  server: choose('client_secret_basic', ['authorization_code', 'refresh_token'], 'web'),
  browser: choose('none', ['authorization_code', 'refresh_token'], 'web'),
  native: choose('none', ['authorization_code', 'refresh_token'], 'native'),
  device: choose('none', [DEVICE_GRANT, 'refresh_token'], 'native'),
};

const BY_ITSELF: Partial<Record<Place, Chosen>> = {
  server: choose('client_secret_basic', ['client_credentials'], 'web'),
  service: choose('client_secret_basic', ['client_credentials'], 'web'),
};

function choose(method: string, grants: string[], type: 'web' | 'native'): Chosen {
  const responses = grants.includes('authorization_code') ? ['code'] : [];
  return { token_endpoint_auth_method: method, grant_types: grants, response_types: responses, application_type: type };
}

/** @returns undefined for answers that do not go together: what cannot keep a secret cannot act for itself, and nobody signs in at a service. */
export function chosenBy(place: Place, person: boolean): Chosen | undefined {
  return (person ? WITH_PERSON : BY_ITSELF)[place];
}

/** Whether it gets no tokens: all that it does is to ask about those of others, such as a client that introspects for an API. */
export const asksForNothing = ({ grant_types: grants }: Record<string, unknown>): boolean => Array.isArray(grants) && !grants.length;

/** Whether people decide on what it asks for. */
export const signsPeopleIn = ({ grant_types: grants = ['authorization_code'] }: Record<string, unknown>): boolean =>
  Array.isArray(grants) && ['authorization_code', DEVICE_GRANT].some((grant) => grants.includes(grant));

/** Whether answers are sent to an address of the app. */
export const isRedirected = ({ grant_types }: Pick<Chosen, 'grant_types'>): boolean =>
  Array.isArray(grant_types) && grant_types.includes('authorization_code');

/**
 * The answers that would choose what a client is. They are not kept beside what they chose, so that the two cannot differ.
 * @returns undefined for one that was made in another way; `introspector` for one that an API's page makes.
 */
export function placeOf(metadata: Record<string, unknown>): Place | 'introspector' | undefined {
  if (asksForNothing(metadata)) return 'introspector';
  const { grant_types: grants, token_endpoint_auth_method: method = 'client_secret_basic', application_type: type = 'web' } = metadata;
  const same = (chosen: Chosen) =>
    chosen.token_endpoint_auth_method === method &&
    chosen.application_type === type &&
    sameSet(chosen.grant_types, grants ?? ['authorization_code']);
  const found = [WITH_PERSON, BY_ITSELF].flatMap((table) => PLACES.filter((place) => table[place] && same(table[place])));
  // A server that acts for itself and a service are the same thing.
  return found.at(-1);
}

const sameSet = (left: unknown, right: unknown): boolean =>
  Array.isArray(left) && Array.isArray(right) && new Set(left).symmetricDifference(new Set(right)).size === 0;
