import type { Context, Next } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import { keepMembers } from '../../oauth/internals.ts';
import type { ProtocolStore } from '../../oauth/store/store.ts';
import { place, recall, write } from '../../oauth/store/unit-of-work.ts';
import type { Database } from '../../platform/database.ts';
import { findInitialAccessToken, spendInitialAccessToken } from './initial-access-tokens.ts';

/**
 * Owns the door of registration where not everybody may register: initial access tokens (RFC 7591 section 3). That one is asked for, found
 * and not expired is the library's; how many clients it makes, and of what kind, is ours.
 */

/** What a request remembers of the token that it came with. */
const WITH = 'initial access token';

/** The id of the initial access token by which the request makes a client; undefined where none is needed. */
export const registeredWith = async (): Promise<string | undefined> => recall<string>(WITH);

/** The library's view of initial access tokens. It finds them alone: operators make and revoke them, see scripts/registration.ts. */
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

/** Has the library keep what a token's clients may use, for registration-policy.ts. */
export const carryLimits = (provider: Provider): void => keepMembers(provider, 'InitialAccessToken', ['limits']);

/**
 * Counts the client that was just made, in the statement that stores it: of any number of registrations at once, no more are stored than
 * the token has left. A request that was refused costs nothing.
 */
export function spendToken(database: Database) {
  return async (ctx: Context, next: Next) => {
    await next();
    const token: string | undefined = ctx.status === 201 ? ctx['oidc']?.entities.InitialAccessToken?.jti : undefined;
    if (token === undefined) return;
    await write(database, { purpose: 'issue', once: true, subject: 'initial access token', statement: spendInitialAccessToken(token) });
  };
}

/** What the loser of a race for a token's last client hears, as whoever comes later does. */
export function tokenSpent(ctx: Context, reason: string): InstanceType<typeof errors.InvalidToken> {
  ctx.set('WWW-Authenticate', 'Bearer error="invalid_token"');
  return new errors.InvalidToken(reason);
}
