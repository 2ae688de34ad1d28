import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';

/** Owns the list of a client's live secrets, and the end of one. A secret is named by the beginning of its digest. */

export type LiveSecret = {
  /** The first digits of its digest, by which a form names it. */
  name: string;
  hint: string | null;
  /** What its owner calls it. */
  label: string | null;
  made: Date;
  expires: Date | null;
  /** To the hour. */
  used: Date | null;
  secondsLeft: number | null;
};

/** The live secrets, oldest first. */
export function listLiveSecrets(database: Database, clientId: string): Promise<LiveSecret[]> {
  return database.query<LiveSecret>(Prisma.sql`
    select left(encode(digest, 'hex'), ${NAME_LENGTH}) as name, hint, label, created_at as made, expires_at as expires, used_at as used,
      extract(epoch from expires_at - now())::float8 as "secondsLeft"
    from client_secret where client_id = ${clientId} and (expires_at is null or expires_at > now()) order by created_at, digest`);
}

const NAME_LENGTH = 16;
const NAME = /^[0-9a-f]{16}$/;

/** @param name of LiveSecret; untrusted input. @returns the client of a live secret; undefined unless the name identifies exactly one. */
export async function findClientOfSecret(database: Database, name: string): Promise<string | undefined> {
  if (!NAME.test(name)) return undefined;
  const rows = await database.query<{ client_id: string }>(Prisma.sql`
    select client_id from client_secret
    where digest >= decode(${name} || repeat('00', 24), 'hex') and digest <= decode(${name} || repeat('ff', 24), 'hex') and (expires_at is null or expires_at > now())`);
  return rows.length === 1 ? rows[0]?.client_id : undefined;
}

/** Ends a secret at once. @param name of LiveSecret; untrusted input. @returns undefined for an invalid name. */
export function endSecret(clientId: string, name: string): Statement | undefined {
  if (!NAME.test(name) || !isStorable(clientId)) return undefined;
  return Prisma.sql`
    update client_secret set expires_at = now()
    where client_id = ${clientId} and left(encode(digest, 'hex'), ${NAME_LENGTH}) = ${name} and (expires_at is null or expires_at > now())`;
}

/** Changes what the owner calls a secret. @param name of LiveSecret; untrusted input. @returns undefined for an invalid name. */
export function labelSecret(clientId: string, name: string, label: string | null): Statement | undefined {
  if (!NAME.test(name) || !isStorable(clientId)) return undefined;
  return Prisma.sql`
    update client_secret set label = ${label}
    where client_id = ${clientId} and left(encode(digest, 'hex'), ${NAME_LENGTH}) = ${name} and (expires_at is null or expires_at > now())`;
}
