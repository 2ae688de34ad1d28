import type { errors } from 'oidc-provider';

/** What the judgement of client metadata is told by whoever registers clients: an initial access token's limits, and a software statement's verdict. */

/** The grants that a client may take by registering, without anybody who knows it. */
export const SELF_SERVICE_GRANTS = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
];

/** What clients may use at most; an empty list is all that registration allows. They keep within it when they change themselves. */
export type RegistrationLimits = { grantTypes: string[]; scopes: string[] };

/** `problem` is what to answer; without one, `claims` are in the request already. */
export type JudgedStatement = { problem?: errors.OIDCProviderError };

/** What was found of the statement in a request; undefined when it has none. */
export function judgedStatement(ctx: { state?: { softwareStatement?: JudgedStatement } }): JudgedStatement | undefined {
  return ctx.state?.softwareStatement;
}
