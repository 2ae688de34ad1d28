import type { Client, Grant } from 'oidc-provider';
import { CLAIMS_TO_ASK, IDENTITY_SCOPES } from '../../people/claims.ts';
import { scopesIn } from '../requests/scope-rules.ts';
import type { ResourceServer } from '../scopes/resource-servers.ts';
import type { ScopeAt } from '../scopes/scope-words.ts';
import { declinedScopes, grantedScopes } from './decision.ts';

/** Owns what a request asks of a user, and which part of it the app requires. Does not own the decision: see decision.ts. */

/** `claims` are those that the `claims` parameter names one by one (OIDC Core section 5.5). */
export type Asked = { scopes: ScopeAt[]; claims: string[] };

type Known = { servers: readonly ResourceServer[]; issuer: string };

/** @param params of a settled request: each scope belongs to the server's own API or to a named one. */
export function askedBy({ servers, issuer }: Known, params: Record<string, unknown>): Asked {
  const wanted = new Set(scopesIn(params['scope']));
  const named = [(params['resource'] as string | string[] | undefined) ?? []].flat();
  const scopes = servers
    .filter(({ identifier }) => identifier === issuer || named.includes(identifier))
    .flatMap(({ identifier, scopes: known }) =>
      known
        .filter(({ name }) => wanted.has(name))
        .map(({ name }) => ({ ...(identifier === issuer ? undefined : { resource: identifier }), name })),
    );
  return { scopes, claims: claimsIn(params['claims']) };
}

function claimsIn(parameter: unknown): string[] {
  if (typeof parameter !== 'string') return [];
  // The library has parsed the parameter before and refused invalid JSON.
  const { id_token = {}, userinfo = {} } = JSON.parse(parameter) as Record<string, Record<string, unknown> | undefined>;
  const named = new Set(Object.entries({ ...userinfo, ...id_token }).flatMap(([name, value]) => (typeof value === 'object' ? [name] : [])));
  return CLAIMS_TO_ASK.filter((claim) => named.has(claim));
}

/** Whether the user has neither allowed nor declined some part of what is asked. */
export function isUnanswered({ scopes, claims }: Asked, grant: Grant): boolean {
  const answered = ({ resource, name }: ScopeAt) => [...grantedScopes(grant, resource), ...declinedScopes(grant, resource)].includes(name);
  const grantedClaims = new Set(grant.getOIDCClaims());
  return scopes.some((scope) => !answered(scope)) || claims.some((claim) => !grantedClaims.has(claim));
}

/** `identity` is name and e-mail, which the user allows or declines as one. An `optional` scope is granted when the user ticks it. */
export type Requirement = 'identity' | 'required' | 'optional';

type RequiringClient = Pick<Client, 'clientId'> & { [member: string]: unknown };

/**
 * @returns what a client requires. A client that declared nothing requires all its scopes except sensitive ones.
 * Client libraries expect that Allow grants everything asked.
 * The API's owner decides whether a scope may be required. A sensitive scope may be required only for an app whose publisher an operator
 * verified.
 */
export function requirementOf({ servers, issuer }: Known, client: RequiringClient, { resource, name }: ScopeAt): Requirement {
  if (resource === undefined && IDENTITY_SCOPES.includes(name)) return 'identity';
  const scope = servers.find(({ identifier }) => identifier === (resource ?? issuer))?.scopes.find((known) => known.name === name);
  if (!scope?.mayBeRequired || (scope.sensitive && !client['publisher'])) return 'optional';
  const declared = client['required_scope'];
  if (typeof declared === 'string') return scopesIn(declared).includes(name) ? 'required' : 'optional';
  return scope.sensitive ? 'optional' : 'required';
}
