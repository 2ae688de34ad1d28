/** Owns the addresses of what operators look at: an id may be whatever somebody chose. */

export const pathOfClient = (clientId: string, act = ''): string => `/admin/clients/${encodeURIComponent(clientId)}${act}`;

export const pathOfPerson = (accountId: string, act = ''): string => `/admin/people/${encodeURIComponent(accountId)}${act}`;
