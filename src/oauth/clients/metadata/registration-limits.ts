import type { errors } from 'oidc-provider';

/**
 * Owns the inputs to a metadata check from the registration request: the limits of an initial access token, and a checked software
 * statement.
 */

/** The grants that a client may register by itself. */
export const SELF_SERVICE_GRANTS = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
];

/** The most that clients may register; an empty list sets no further limit. Their updates obey the limits too. */
export type RegistrationLimits = { grantTypes: string[]; scopes: string[] };

/** `problem` is the error to answer. Without one, the claims are already part of the request. */
export type JudgedStatement = { problem?: errors.OIDCProviderError };

/** @returns the result for the statement in a request; undefined when it has none. */
export function judgedStatement(ctx: { state?: { softwareStatement?: JudgedStatement } }): JudgedStatement | undefined {
  return ctx.state?.softwareStatement;
}
