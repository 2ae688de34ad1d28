import type { ClientError } from '../../oauth/store/client-errors.ts';

/**
 * Owns which cause stands behind an error, and so which sentences say what to do: `developer.cause.<name>` and `developer.cure.<name>`.
 * The first that fits; what fits none is shown as the server said it.
 */

type Cause = { name: string; errors: string[]; reason?: RegExp; description?: RegExp };

const INVALID_GRANT = ['invalid_grant'];
const INVALID_CLIENT = ['invalid_client'];
const INVALID_REQUEST = ['invalid_request'];

// From what the library knows alone, to what it told, to the mere code.
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
  // The library reads the client's key set with the rules for its metadata, and says no more than that it could not.
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

/** @returns undefined for one that we have no words for. */
export function causeOf({ error, description, detail }: Pick<ClientError, 'error' | 'description' | 'detail'>): string | undefined {
  const said = String(detail['reason'] ?? '');
  return CAUSES.find(
    ({ errors, reason, description: told }) =>
      errors.includes(error) && (!reason || reason.test(said)) && (!told || told.test(description ?? '')),
  )?.name;
}

// What an owner would change the client for by what was sent.
const CHANGES = new Set(['redirect_uri', 'auth_method', 'assertion_key', 'pkce_missing', 'grant_not_allowed']);

/** Whether what to do is another thing where anyone may have sent the request: `developer.errors.cure_<name>` says it. */
export const isUnsureCure = (cause: string): boolean => CHANGES.has(cause);

/** For the test that there are words for each. */
export const causeNames = (): string[] => [...new Set(CAUSES.map(({ name }) => name))];
