import type { Claim } from '../clients/client-assertions.ts';

/**
 * Owns the names of reasons that the client does not get and its owner reads in the portal. A code gives the name where there is one.
 * For the rest the library has only sentences. They are compared as a whole, since other texts may quote the request.
 * A test makes the library say each sentence, so an upgrade that changes one fails: test/flows/error-reasons.test.ts.
 */

export type LibraryError = Error & {
  error?: string;
  error_detail?: string;
  error_description?: string;
  /** The claim that is wrong, in an error of client-assertions.ts. `client_assertion` stands for one that cannot be read. */
  claim?: Claim;
};

/** Sentences of the library (oidc-provider 9.13.3) that say more than the error. */
export const SENTENCES = {
  'invalid secret provided': 'secret',
  'the provided authentication mechanism does not match the registered client authentication method': 'auth_method',
  'client assertion tokens must only be used once': 'assertion_twice',
  'authorization code not found': 'code_unknown',
  'authorization code is expired': 'code_unknown',
  'authorization code already consumed': 'code_used',
  'authorization code redirect_uri mismatch': 'redirect_uri_other',
  'code_verifier must be provided': 'verifier_missing',
  'code_verifier does not match code_challenge': 'verifier',
  'refresh token not found': 'refresh_unknown',
  'refresh token is expired': 'refresh_unknown',
  'refresh token already used': 'refresh_used',
  'client mismatch': 'other_client',
  'grant not found': 'grant_gone',
  'grant is expired': 'grant_gone',
  'device code not found': 'device_used',
  'device code already consumed': 'device_used',
  'DPoP proof JWT not provided': 'dpop_missing',
  'missing DPoP proof JWT': 'dpop_missing',
  'DPoP proof key thumbprint does not match dpop_jkt': 'dpop_key',
  'failed jkt verification': 'dpop_key',
  'DPoP proof JWT Replay detected': 'dpop_twice',
} as const;

/** Codes of what caused an `invalid_client`: those of `jose` for a signature, and that of the library for a key set that it cannot use. */
export const CODES = {
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'assertion_key',
  ERR_JWKS_NO_MATCHING_KEY: 'assertion_key',
  invalid_client_metadata: 'assertion_keys_unread',
} as const;

/** Claims of a client assertion. */
export const CLAIMS = {
  client_assertion: 'assertion',
  alg: 'assertion_algorithm',
  kid: 'assertion',
  iss: 'assertion',
  aud: 'assertion_audience',
  exp: 'assertion_life',
  iat: 'assertion_clock',
  nbf: 'assertion_clock',
  jti: 'assertion',
} as const satisfies Record<Claim, string>;

const TABLES = [CLAIMS, CODES, SENTENCES];
export type Reason = (typeof CLAIMS)[keyof typeof CLAIMS] | (typeof CODES)[keyof typeof CODES] | (typeof SENTENCES)[keyof typeof SENTENCES];

/** Every name, once. */
export const REASONS: readonly Reason[] = [...new Set(TABLES.flatMap((table): Reason[] => Object.values(table)))];

/** @returns the name of the reason, or undefined where the error itself says all that is known. */
export function reasonOf({ error, claim, cause, error_detail: detail }: LibraryError): Reason | undefined {
  // The library wraps what goes wrong while it fetches the client's keys and verifies a signature.
  const because = (cause ?? {}) as { code?: string; error?: string; claim?: Claim };
  // A DPoP proof has a signature too.
  const code = error === 'invalid_client' ? (because.code ?? because.error) : undefined;
  return find(CLAIMS, claim ?? because.claim) ?? find(CODES, code) ?? find(SENTENCES, detail);
}

/** @param stored with an error. Rows of an earlier version have the library's sentence in place of the name. */
export const storedReason = (stored: unknown): Reason | undefined => REASONS.find((name) => name === stored) ?? find(SENTENCES, stored);

const find = <Name extends Reason>(table: Record<string, Name>, key: unknown): Name | undefined =>
  typeof key === 'string' && Object.hasOwn(table, key) ? table[key] : undefined;
