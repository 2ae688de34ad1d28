import { secretHint } from '../../../oauth/clients/secrets.ts';
import { Prisma, type Statement } from '../../../platform/database.ts';
import { digest } from '../../../platform/secrets.ts';

/** Owns the rotation of a client's secrets by its owners: a new secret beside the old one, which ends later. */

/** One in use and its successor. */
export const MAX_LIVE_SECRETS = 2;

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
