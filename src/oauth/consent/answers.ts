import type { Client } from 'oidc-provider';
import type { ResourceServer } from '../scopes/resource-servers.ts';
import type { Answer } from '../store/decisions.ts';
import { type Asked, requirementOf } from './asked.ts';

/** Owns what a press on the consent page says. What is asked is asked.ts's, what the answer means for a grant decision.ts's. */

/**
 * The value of a scope's checkbox: the scope alone for this server's own APIs, whose names differ, and the API with it for others. Two APIs may have
 * scopes of one name, with other sentences: who allows one has not allowed the other. Neither a scope nor an identifier has a space in it.
 */
export function tickOf({ resource, name }: { resource?: string | undefined; name: string }, issuer: string): string {
  const ours = resource === undefined || URL.parse(resource)?.origin === new URL(issuer).origin;
  return ours ? name : `${resource} ${name}`;
}

/** The button that a person pressed: for what is required and ticked, or for all that is asked. */
export type Pressed = 'approve' | 'approve_all';

/** What a person's press says of all that was asked: identity and what the app requires are allowed with it, the optional where it was ticked. */
export function answersOf(
  known: { servers: readonly ResourceServer[]; issuer: string },
  client: Client,
  { scopes, claims }: Asked,
  { pressed, ticked }: { pressed: Pressed; ticked: Set<string> },
): Answer[] {
  const isAllowed = (scope: Asked['scopes'][number]) =>
    pressed === 'approve_all' || requirementOf(known, client, scope) !== 'optional' || ticked.has(tickOf(scope, known.issuer));
  const resources = [...new Set(scopes.map(({ resource }) => resource))];
  const answers = resources.map((resource): Answer => {
    const there = scopes.filter((scope) => scope.resource === resource);
    const names = (allowed: boolean) => there.filter((scope) => isAllowed(scope) === allowed).map(({ name }) => name);
    return { ...(resource === undefined ? undefined : { resource }), allowed: names(true), declined: names(false) };
  });
  if (!claims.length) return answers;
  const own = answers.find(({ resource }) => resource === undefined) ?? { allowed: [], declined: [] };
  return [{ ...own, claims }, ...answers.filter((answer) => answer !== own)];
}
