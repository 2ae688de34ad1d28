import type { ClientError } from './client-errors.ts';

/**
 * Owns the cause of an error, which selects the sentences `developer.cause.<name>` and `developer.cure.<name>`. The first match wins; an
 * error without a match is shown with the server's own text.
 */

type Cause = { name: string; errors: string[]; reason?: RegExp; description?: RegExp };

const INVALID_GRANT = ['invalid_grant'];
const INVALID_CLIENT = ['invalid_client'];
const INVALID_REQUEST = ['invalid_request'];

// Most specific first: matches on the library's internal reason, then on the description, then on the error code alone.
const CAUSES: Cause[] = [
  { name: 'redirect_uri', errors: ['invalid_redirect_uri'] },
  { name: 'redirect_uri', errors: INVALID_REQUEST, description: /redirect_uri did not match/ },
  { name: 'redirect_uri_other', errors: INVALID_GRANT, reason: /redirect_uri mismatch/ },
  { name: 'secret', errors: INVALID_CLIENT, reason: /invalid secret/ },
  { name: 'auth_method', errors: INVALID_CLIENT, reason: /authentication mechanism does not match/ },
  { name: 'assertion_twice', errors: INVALID_CLIENT, reason: /only be used once/ },
  { name: 'assertion_life', errors: INVALID_CLIENT, reason: /assertion: exp/ },
  { name: 'assertion_clock', errors: INVALID_CLIENT, reason: /assertion: (iat|nbf)/ },
  { name: 'assertion_audience', errors: INVALID_CLIENT, reason: /assertion: aud/ },
  { name: 'assertion_algorithm', errors: INVALID_CLIENT, reason: /assertion: alg/ },
  { name: 'assertion_key', errors: INVALID_CLIENT, reason: /signature verification failed|no applicable key/ },
  // The library validates the client's key set like metadata and reports only that it could not read it.
  { name: 'assertion_keys_unread', errors: INVALID_CLIENT, reason: /invalid_client_metadata/ },
  { name: 'assertion', errors: INVALID_CLIENT, reason: /assertion:/ },
  { name: 'code_used', errors: INVALID_GRANT, reason: /authorization code already consumed/ },
  { name: 'code_unknown', errors: INVALID_GRANT, reason: /authorization code (not found|is expired)/ },
  { name: 'verifier_missing', errors: INVALID_GRANT, reason: /code_verifier must be provided/ },
  { name: 'verifier', errors: INVALID_GRANT, reason: /code_verifier does not match/ },
  { name: 'refresh_used', errors: INVALID_GRANT, reason: /refresh token already used/ },
  { name: 'refresh_unknown', errors: INVALID_GRANT, reason: /refresh token (not found|is expired)/ },
  { name: 'other_client', errors: INVALID_GRANT, reason: /client mismatch/ },
  { name: 'grant_gone', errors: INVALID_GRANT, reason: /^grant / },
  { name: 'device_used', errors: INVALID_GRANT, reason: /device code/ },
  { name: 'device_expired', errors: ['expired_token'] },
  { name: 'slow_down', errors: ['slow_down'] },
  { name: 'pkce_missing', errors: INVALID_REQUEST, description: /PKCE|code_challenge must be provided/ },
  { name: 'pkce_method', errors: INVALID_REQUEST, description: /code_challenge_method/ },
  { name: 'pkce_format', errors: INVALID_REQUEST, description: /code_verifier|code_challenge/ },
  { name: 'two_ways', errors: INVALID_REQUEST, description: /only be provided using one mechanism/ },
  { name: 'basic_header', errors: INVALID_REQUEST, description: /authorization header/i },
  { name: 'twice', errors: INVALID_REQUEST, description: /must not be provided twice/ },
  { name: 'missing', errors: INVALID_REQUEST, description: /^missing required parameter/ },
  { name: 'grant_not_allowed', errors: [...INVALID_REQUEST, 'unauthorized_client'], description: /is not allowed for this client/ },
  { name: 'response_type', errors: ['unsupported_response_type'] },
  { name: 'response_mode', errors: ['unsupported_response_mode'] },
  { name: 'grant_type', errors: ['unsupported_grant_type'] },
  { name: 'scope', errors: ['invalid_scope'] },
  { name: 'target', errors: ['invalid_target'] },
  { name: 'silent', errors: ['login_required', 'consent_required', 'interaction_required', 'account_selection_required'] },
  { name: 'denied', errors: ['access_denied'] },
  { name: 'request_uri', errors: ['invalid_request_uri'] },
  { name: 'dpop', errors: ['invalid_dpop_proof', 'use_dpop_nonce'] },
  { name: 'token', errors: ['invalid_token'] },
  { name: 'insufficient_scope', errors: ['insufficient_scope'] },
];

/** @returns undefined for an error without a sentence. */
export function causeOf({ error, description, detail }: Pick<ClientError, 'error' | 'description' | 'detail'>): string | undefined {
  const said = String(detail['reason'] ?? '');
  return CAUSES.find(
    ({ errors, reason, description: told }) =>
      errors.includes(error) && (!reason || reason.test(said)) && (!told || told.test(description ?? '')),
  )?.name;
}

// The causes that an owner would fix by changing the client to fit the request.
const CHANGES = new Set(['redirect_uri', 'auth_method', 'assertion_key', 'pkce_missing', 'grant_not_allowed']);

/** @returns whether the advice differs when anyone may have sent the request: see `developer.errors.cure_<name>`. */
export const isUnsureCure = (cause: string): boolean => CHANGES.has(cause);

/** For the test that every cause has its sentences. */
export const causeNames = (): string[] => [...new Set(CAUSES.map(({ name }) => name))];
