import type { z } from 'zod';
import type { AdminScope } from '../../oauth/scopes/admin-scopes.ts';
import type { Database } from '../../platform/database.ts';
import type { Act, AnyAct } from './act.ts';
import type { AnyList, List } from './list.ts';

/**
 * A route of the admin API, below /admin/api/v1: what answers there, and the required scope. The API document is generated from these
 * routes.
 */

export type Method = 'GET' | 'POST' | 'DELETE';

export type Route = { method: Method; path: string; scope: AdminScope; summary: string; name: string } & (
  | { kind: 'list'; list: List }
  | { kind: 'one'; shape: z.ZodType; find(database: Database, id: string): Promise<unknown> }
  | { kind: 'act'; act: Act }
);

export function listRoute(path: string, given: AnyList, scope: AdminScope = 'admin:read'): Route {
  const list = given as unknown as List;
  return { method: 'GET', path, scope, summary: list.summary, name: `list_${list.name}`, kind: 'list', list };
}

/** @param named the act by its name, from which the operation's name is derived. */
export function actRoute(method: Method, path: string, named: Record<string, AnyAct>): Route {
  const [[name, given]] = Object.entries(named) as [[string, AnyAct]];
  const act = given as unknown as Act;
  const operation = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return { method, path, scope: act.scope, summary: act.summary, name: operation, kind: 'act', act };
}
