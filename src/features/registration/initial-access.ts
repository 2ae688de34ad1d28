import type { Context, Next } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import { keepMembers } from '../../oauth/internals.ts';
import type { ProtocolStore } from '../../oauth/store/store.ts';
import { place, recall, write } from '../../oauth/store/unit-of-work.ts';
import type { Database } from '../../platform/database.ts';
import { findInitialAccessToken, spendInitialAccessToken } from './initial-access-tokens.ts';

/**
 * Owns the use of initial access tokens when registration is not open (RFC 7591 section 3). The library requires a token, finds it and
 * checks its expiry. This file limits how many clients it registers, and which kind.
 */

/** The key under which a request remembers its initial access token. */
const WITH = 'initial access token';

/** @returns the id of the request's initial access token; undefined when none is required. */
export const registeredWith = async (): Promise<string | undefined> => recall<string>(WITH);

/**
 * @returns the library's store of initial access tokens. It only finds them: operators create and revoke them, see scripts/registration.ts.
 */
export function createInitialAccessStore(database: Database): ProtocolStore {
  const elsewhere = async () => {
    throw new Error('initial access tokens are made and revoked by operators');
  };
  return {
    async find(token) {
      const found = await findInitialAccessToken(database, token);
      if (!found) return undefined;
      place(WITH, found.id);
      return { kind: 'InitialAccessToken', jti: token, iat: found.issuedAt, exp: found.expiresAt, limits: found.limits } as never;
    },
    upsert: elsewhere,
    destroy: elsewhere,
  };
}

/** Makes the library carry a token's limits, for registration-policy.ts. */
export const carryLimits = (provider: Provider): void => keepMembers(provider, 'InitialAccessToken', ['limits']);

/**
 * Counts the new client in the same statement that stores it, so that parallel registrations cannot exceed the token's limit. A refused
 * request is not counted.
 */
export function spendToken(database: Database) {
  return async (ctx: Context, next: Next) => {
    await next();
    const token: string | undefined = ctx.status === 201 ? ctx['oidc']?.entities.InitialAccessToken?.jti : undefined;
    if (token === undefined) return;
    await write(database, { purpose: 'issue', once: true, subject: 'initial access token', statement: spendInitialAccessToken(token) });
  };
}

/** @returns the error for a request that loses the race for a token's last client. A later request gets the same error. */
export function tokenSpent(ctx: Context, reason: string): InstanceType<typeof errors.InvalidToken> {
  ctx.set('WWW-Authenticate', 'Bearer error="invalid_token"');
  return new errors.InvalidToken(reason);
}
