/** Owns the administration URLs of users and clients. Ids are encoded, because somebody may have chosen any text. */

export const pathOfClient = (clientId: string, act = ''): string => `/admin/clients/${encodeURIComponent(clientId)}${act}`;

export const pathOfPerson = (accountId: string, act = ''): string => `/admin/people/${encodeURIComponent(accountId)}${act}`;
