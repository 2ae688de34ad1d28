import type { Context } from 'koa';
import { visitorOf } from '../../../http/visitor.ts';
import { ADMIN_SCOPES, type AdminScope, readPower } from '../../../oauth/scopes/admin-scopes.ts';
import { adminApi } from '../../../oauth/scopes/resource-servers.ts';
import { createStandingTokens, type StandingToken } from '../../../oauth/store/standing-tokens.ts';
import type { Actor } from '../../../pages/operators/act.ts';
import { allowedTo } from '../../../pages/permissions.ts';
import type { Database } from '../../../platform/database.ts';
import { isInGrace, OPERATOR_ACR, showsTwoFactors } from '../second-factor.ts';
import { ApiProblem } from './problem.ts';

/**
 * Owns who calls the admin API, and with which rights. They are the scopes of the token that the client still has, and that the user's role
 * still allows. A role or scope removed since the token was issued no longer counts.
 */

export type Caller = Actor & { clientId: string };

export const metadataPath = '/.well-known/oauth-protected-resource/admin/api';

/** @returns a function that finds the caller of a request and throws ApiProblem 401 without one. */
export function createCallers(database: Database, issuer: string): (ctx: Context) => Promise<Caller> {
  const standing = createStandingTokens(database);
  const audience = adminApi(issuer);
  return async (ctx) => {
    const sent = bearerToken(ctx);
    // A request without a token gets a challenge without an error code (RFC 6750 section 3.1).
    if (sent === undefined) throw new ApiProblem('missing_token', challenge(issuer, {}));
    const token = await standing(sent, true);
    const caller = token && isForUs(token, audience) ? await callerBy(ctx, database, token) : undefined;
    if (caller) {
      if (token && caller.may.length) await assertTwoFactors(database, token, issuer);
      return caller;
    }
    const error_description = 'the access token is expired, revoked, malformed or meant for another resource';
    throw new ApiProblem('invalid_token', challenge(issuer, { error: 'invalid_token', error_description }));
  };
}

/** The token carries how the operator signed in. @throws ApiProblem 401 with the required acr values (RFC 9470 section 3). */
async function assertTwoFactors(database: Database, { account_id, payload }: StandingToken, issuer: string): Promise<void> {
  const { acr } = (payload['extra'] ?? {}) as { acr?: string };
  if (account_id === null || showsTwoFactors(acr) || (await isInGrace(database, account_id))) return;
  const error_description = 'the person of the access token has signed in with one factor, and operators show two';
  const asked = { error: 'insufficient_user_authentication', error_description, acr_values: OPERATOR_ACR.join(' ') };
  throw new ApiProblem('insufficient_user_authentication', challenge(issuer, asked));
}

/** @throws ApiProblem 403 with the required scope (RFC 6750 section 3.1). */
export function assertMay(caller: Caller, scope: AdminScope, issuer: string): void {
  if (caller.may.includes(scope)) return;
  const error_description = `the access token, its client or its person lacks the scope this needs: ${scope}`;
  throw new ApiProblem('insufficient_scope', challenge(issuer, { error: 'insufficient_scope', error_description, scope }));
}

/**
 * @returns whether the token is for this API alone (RFC 8707) and not bound to a key. A bound token needs a proof that this API does not
 * check (RFC 9449 section 7.2).
 */
function isForUs({ kind, payload }: StandingToken, audience: string): boolean {
  return kind !== 'RefreshToken' && payload['aud'] === audience && payload['jkt'] === undefined && payload['x5t#S256'] === undefined;
}

async function callerBy(
  ctx: Context,
  database: Database,
  { client_id, account_id, payload, account }: StandingToken,
): Promise<Caller | undefined> {
  const power = await readPower(database, client_id);
  // The client is suspended, or the account is disabled or scheduled for deletion.
  if (!power || power.suspended || (account_id !== null && (!account || account['delete_after'] !== null))) return undefined;
  const said = new Set(String(payload['scope'] ?? '').split(' '));
  const role = account && allowedTo(String(account['role']));
  const may = ADMIN_SCOPES.filter((scope) => said.has(scope) && power.scopes.includes(scope) && (!role || role.includes(scope)));
  const person = account_id === null ? undefined : { accountId: account_id };
  return { clientId: client_id, ...person, may, services: power.services, from: visitorOf(ctx) };
}

/** Only the header counts, because query strings end up in logs and histories (RFC 9700 section 4.3.2). */
function bearerToken(ctx: Context): string | undefined {
  return /^Bearer +([\w.~+/-]+=*) *$/i.exec(ctx.get('authorization'))?.[1];
}

function challenge(issuer: string, attributes: Record<string, string>): { detail?: string; headers: Record<string, string> } {
  const all = { ...attributes, resource_metadata: `${issuer}${metadataPath}` };
  const listed = Object.entries(all).map(([name, value]) => `${name}="${value}"`);
  const { error_description } = attributes;
  return {
    ...(error_description ? { detail: error_description } : undefined),
    headers: { 'WWW-Authenticate': `Bearer ${listed.join(', ')}` },
  };
}
