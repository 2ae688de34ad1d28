import { ADMIN_SCOPES, type AdminScope } from '../oauth/scopes/admin-scopes.ts';
import type { Role } from '../people/roles.ts';

/**
 * Owns who may do what about the place: people by their role, in the admin pages; clients by the scopes that an operator lets them have, at the
 * admin API, where a person's token can do no more than its person. One table for both, so that neither opens what the other does not.
 */

const ALLOWED: Record<Role, readonly AdminScope[]> = {
  user: [],
  // Sees everything, changes nothing.
  auditor: ['admin:read', 'admin:audit'],
  // Helps people: shuts one out, ends sessions and what apps hold.
  support: ['admin:read', 'admin:people', 'admin:access'],
  admin: ADMIN_SCOPES,
};

/** What a role may do; nothing, for one that is unknown. */
export const allowedTo = (role: string): readonly AdminScope[] => (Object.hasOwn(ALLOWED, role) ? ALLOWED[role as Role] : []);

export const mayDo = (role: string, scope: AdminScope): boolean => allowedTo(role).includes(scope);
