import { ADMIN_SCOPES, type AdminScope } from '../oauth/scopes/admin-scopes.ts';
import type { Role } from '../people/roles.ts';

/**
 * Owns permissions of administration: for users by role, in the pages, and for clients by the scopes that an operator allows, at the API.
 * There a user's token can do no more than the user. Pages and API share one table, so that neither allows more than the other.
 */

const ALLOWED: Record<Role, readonly AdminScope[]> = {
  user: [],
  // Reads everything, changes nothing.
  auditor: ['admin:read', 'admin:audit'],
  // Helps users: disables an account, ends sessions and clients' access.
  support: ['admin:read', 'admin:people', 'admin:access'],
  admin: ADMIN_SCOPES,
};

/** The scopes of a role; empty for an unknown role. */
export const allowedTo = (role: string): readonly AdminScope[] => (Object.hasOwn(ALLOWED, role) ? ALLOWED[role as Role] : []);

export const mayDo = (role: string, scope: AdminScope): boolean => allowedTo(role).includes(scope);
