import type { Client, Grant } from 'oidc-provider';
import { CLAIMS_TO_ASK, IDENTITY_SCOPES } from '../../people/claims.ts';
import { scopesIn } from '../requests/scope-rules.ts';
import type { ResourceServer } from '../scopes/resource-servers.ts';
import type { ScopeAt } from '../scopes/scope-words.ts';
import { declinedScopes, grantedScopes } from './decision.ts';

/** Owns what a request asks of a person, and which of it the app requires. Does not own the answer: see decision.ts. */

/** `claims` are those that the `claims` parameter names one by one (OIDC Core section 5.5). */
export type Asked = { scopes: ScopeAt[]; claims: string[] };

type Known = { servers: readonly ResourceServer[]; issuer: string };

/** @param params of a request that was settled: its scopes belong to the server's own API, or to one that is named. */
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
  // The library has parsed it before, and refused what is no JSON.
  const { id_token = {}, userinfo = {} } = JSON.parse(parameter) as Record<string, Record<string, unknown> | undefined>;
  const named = new Set(Object.entries({ ...userinfo, ...id_token }).flatMap(([name, value]) => (typeof value === 'object' ? [name] : [])));
  return CLAIMS_TO_ASK.filter((claim) => named.has(claim));
}

/** Whether the person has not answered yet to something that is asked: it was neither allowed nor declined. */
export function isUnanswered({ scopes, claims }: Asked, grant: Grant): boolean {
  const answered = ({ resource, name }: ScopeAt) => [...grantedScopes(grant, resource), ...declinedScopes(grant, resource)].includes(name);
  const told = new Set(grant.getOIDCClaims());
  return scopes.some((scope) => !answered(scope)) || claims.some((claim) => !told.has(claim));
}

/** `identity` is who somebody is: people decide about it as one. An optional scope is granted where it is ticked. */
export type Requirement = 'identity' | 'required' | 'optional';

type RequiringClient = Pick<Client, 'clientId'> & { [member: string]: unknown };

/**
 * What a client requires. One that declared nothing requires all that it asks, sensitive scopes aside: client libraries take it for granted that
 * Allow gives what was asked. The API's owner has the last word, and what is sensitive takes an operator's word for the app.
 */
export function requirementOf({ servers, issuer }: Known, client: RequiringClient, { resource, name }: ScopeAt): Requirement {
  if (resource === undefined && IDENTITY_SCOPES.includes(name)) return 'identity';
  const scope = servers.find(({ identifier }) => identifier === (resource ?? issuer))?.scopes.find((known) => known.name === name);
  if (!scope?.mayBeRequired || (scope.sensitive && !client['publisher'])) return 'optional';
  const declared = client['required_scope'];
  if (typeof declared === 'string') return scopesIn(declared).includes(name) ? 'required' : 'optional';
  return scope.sensitive ? 'optional' : 'required';
}
