import { REASONS, storedReason } from '../../../oauth/answers/reasons.ts';
import type { ClientError } from './client-errors.ts';

/**
 * Owns the cause of an error, which selects the sentences `developer.cause.<name>` and `developer.cure.<name>`. A reason that was stored is
 * the cause. Otherwise the first match wins; an error without a match is shown with the server's own text.
 */

type Cause = { name: string; errors: string[]; description?: RegExp };

const INVALID_REQUEST = ['invalid_request'];

// For errors without a reason. Most specific first: matches on the description, then on the error code alone.
const CAUSES: Cause[] = [
  { name: 'redirect_uri', errors: ['invalid_redirect_uri'] },
  { name: 'redirect_uri', errors: INVALID_REQUEST, description: /redirect_uri did not match/ },
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
  return (
    storedReason(detail['reason']) ??
    CAUSES.find(({ errors, description: told }) => errors.includes(error) && (!told || told.test(description ?? '')))?.name
  );
}

// The causes that an owner would fix by changing the client to fit the request.
const CHANGES = new Set(['redirect_uri', 'auth_method', 'assertion_key', 'pkce_missing', 'grant_not_allowed']);

/** @returns whether the advice differs when anyone may have sent the request: see `developer.errors.cure_<name>`. */
export const isUnsureCure = (cause: string): boolean => CHANGES.has(cause);

/** For the test that every cause has its sentences. */
export const causeNames = (): string[] => [...new Set([...REASONS, ...CAUSES.map(({ name }) => name)])];
