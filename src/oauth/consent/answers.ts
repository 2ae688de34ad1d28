import type { Client } from 'oidc-provider';
import type { ResourceServer } from '../scopes/resource-servers.ts';
import type { ScopeAnswer } from '../store/decisions.ts';
import { type Asked, requirementOf } from './asked.ts';

/**
 * Owns the meaning of a submitted consent form. What a request asks is in asked.ts; what a decision means for a grant is in decision.ts.
 */

/**
 * The value of a scope's checkbox. For this server's own APIs it is the scope alone, because their scope names differ.
 * For other APIs it is the API's identifier and the scope. Two APIs may have scopes of one name that mean different things.
 * Neither a scope nor an identifier contains a space.
 */
export function tickOf({ resource, name }: { resource?: string | undefined; name: string }, issuer: string): string {
  const ours = resource === undefined || URL.parse(resource)?.origin === new URL(issuer).origin;
  return ours ? name : `${resource} ${name}`;
}

/** The button that the user pressed. `approve` allows what is required and what is ticked; `approve_all` allows everything asked. */
export type Pressed = 'approve' | 'approve_all';

/**
 * @returns the user's decision about everything asked. Identity and required scopes are allowed; an optional scope is allowed when it was
 * ticked.
 */
export function answersOf(
  known: { servers: readonly ResourceServer[]; issuer: string },
  client: Client,
  { scopes, claims }: Asked,
  { pressed, ticked }: { pressed: Pressed; ticked: Set<string> },
): ScopeAnswer[] {
  const isAllowed = (scope: Asked['scopes'][number]) =>
    pressed === 'approve_all' || requirementOf(known, client, scope) !== 'optional' || ticked.has(tickOf(scope, known.issuer));
  const resources = [...new Set(scopes.map(({ resource }) => resource))];
  const answers = resources.map((resource): ScopeAnswer => {
    const there = scopes.filter((scope) => scope.resource === resource);
    const names = (allowed: boolean) => there.filter((scope) => isAllowed(scope) === allowed).map(({ name }) => name);
    return { ...(resource === undefined ? undefined : { resource }), allowed: names(true), declined: names(false) };
  });
  if (!claims.length) return answers;
  const own = answers.find(({ resource }) => resource === undefined) ?? { allowed: [], declined: [] };
  return [{ ...own, claims }, ...answers.filter((answer) => answer !== own)];
}
