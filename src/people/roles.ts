/** Owns the roles that people have. What each may do is pages/permissions.ts's. */

/** `user` is everybody. */
export const ROLES = ['user', 'auditor', 'support', 'admin'] as const;

export type Role = (typeof ROLES)[number];
