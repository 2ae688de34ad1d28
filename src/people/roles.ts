/** Owns the roles of users. pages/permissions.ts says what each may do. */

/** `user` is the role of every ordinary account. */
export const ROLES = ['user', 'auditor', 'support', 'admin'] as const;

export type Role = (typeof ROLES)[number];
