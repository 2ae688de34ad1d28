import type { Context } from 'koa';
import { AppError } from '../../../platform/errors.ts';
import type { KeyRing } from '../../../platform/secrets.ts';
import { PROVIDER_ID } from '../providers.ts';

/**
 * Owns the parameters with which a client sends a user to connect an account. They are sealed into the page's own address: they survive a
 * sign-in, and no other party can write them. connect.ts judges their content each time the page opens.
 */

export type Request = { providerId: string; clientId: string; redirectUri: string | undefined; state: string | undefined };

// RFC 6749 appendix A: all of them are visible ASCII. `redirect_uri` may be as long as a registered one (oauth/clients/redirect-uri.ts).
const LIMITS = { client_id: 255, redirect_uri: 2_000, state: 1_000 };
const PRINTABLE = /^[\x20-\x7e]*$/;

/** @throws AppError 400 for parameters that no registered client would send. */
export function sealRequest(keyRing: KeyRing, ctx: Context): string {
  const providerId = providerIn(ctx);
  const [clientId, redirectUri, state] = Object.entries(LIMITS).map(([name, longest]) => {
    const value = ctx.query[name];
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value.length > longest || !PRINTABLE.test(value)) throw noneOfOurs(`${name}_unreadable`);
    return value;
  });
  if (!clientId) throw noneOfOurs('client_id_missing');
  return keyRing.encrypt(JSON.stringify({ providerId, clientId, redirectUri, state }), SEALED_AS);
}

/** @throws AppError 400 for a request that we did not seal, or that names another provider. */
export function openRequest(keyRing: KeyRing, ctx: Context, sealed: string): Request {
  const request = unsealed(keyRing, sealed);
  if (request?.providerId !== providerIn(ctx)) throw noneOfOurs('request_unreadable');
  return request;
}

/** @returns the client's redirect URI with these parameters added; undefined when the client sent none. */
export function wayBack({ redirectUri, state }: Request, words: Record<string, string>): string | undefined {
  if (redirectUri === undefined) return undefined;
  const address = new URL(redirectUri);
  for (const [name, word] of Object.entries({ ...words, ...(state === undefined ? undefined : { state }) }))
    address.searchParams.set(name, word);
  return address.href;
}

/** @returns the error for a request that no registered client would send. */
export const noneOfOurs = (reason: string): AppError => new AppError('connect_unknown', { status: 400, reason });

const SEALED_AS = 'request to connect an account';

function unsealed(keyRing: KeyRing, sealed: string): Request | undefined {
  try {
    return JSON.parse(keyRing.decrypt(sealed, SEALED_AS));
  } catch {
    return undefined;
  }
}

function providerIn(ctx: Context): string {
  const id = String(ctx['params'].provider);
  if (!PROVIDER_ID.test(id)) throw noneOfOurs('provider_unreadable');
  return id;
}
