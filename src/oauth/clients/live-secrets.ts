import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';
import { secretHint } from './secrets.ts';

/** Owns a client's secrets as its owners manage them: at most two live secrets, each of which an owner can end. */

/** One in use and its successor. */
export const MAX_LIVE_SECRETS = 2;

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

/** Stops two concurrent changes from counting the same secrets. Runs first, in the same transaction. */
export function lockSecrets(clientId: string): Statement {
  return Prisma.sql`select 1 from client where id = ${clientId} for no key update`;
}

/**
 * Adds a secret if there are fewer than MAX_LIVE_SECRETS. @param secret in clear, from randomSecret(). @param madeBy the account that
 * creates it. @param label what its owner calls it.
 */
export function addLiveSecret(clientId: string, secret: string, madeBy: string, label: string | null = null): Statement {
  return Prisma.sql`
    insert into client_secret (digest, client_id, hint, made_by, label)
    select ${digest(secret)}, ${clientId}, ${secretHint(secret)}, ${madeBy}, ${label}
    where (select count(*) from client_secret where client_id = ${clientId} and (expires_at is null or expires_at > now())) < ${MAX_LIVE_SECRETS}`;
}

/** Records the creator of a client's first secret. Runs after the client is created. */
export function secretsMadeBy(clientId: string, accountId: string): Statement {
  return Prisma.sql`update client_secret set made_by = ${accountId} where client_id = ${clientId} and made_by is null`;
}

/** Deletes ended secrets, so that repeated rotation does not accumulate them. */
export function dropEndedSecrets(clientId: string): Statement {
  return Prisma.sql`delete from client_secret where client_id = ${clientId} and expires_at <= now()`;
}

/** Ends the other secrets after a while; one that ends sooner is unchanged. @param secret that stays. */
export function endOtherSecrets(clientId: string, secret: string, overlapSeconds: number): Statement {
  return Prisma.sql`
    update client_secret set expires_at = least(expires_at, now() + ${overlapSeconds} * interval '1 second')
    where client_id = ${clientId} and digest <> ${digest(secret)}`;
}

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
