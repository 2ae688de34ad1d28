import type { Context } from 'koa';
import { AppError } from '../../../platform/errors.ts';
import type { KeyRing } from '../../../platform/secrets.ts';
import { PROVIDER_ID } from '../providers.ts';

/**
 * Owns what an app said when it sent a person to connect an account: kept sealed in the page's own address, so that it outlasts a sign-in and
 * nobody else can write it. What it says is judged each time it is opened: see connect.ts.
 */

export type Request = { providerId: string; clientId: string; redirectUri: string | undefined; state: string | undefined };

// RFC 6749 appendix A: visible ASCII, all of them. A redirect URI is as long as one may be registered (oauth/clients/redirect-uri.ts).
const LIMITS = { client_id: 255, redirect_uri: 2_000, state: 1_000 };
const PRINTABLE = /^[\x20-\x7e]*$/;

/** @throws AppError 400 for what no client of ours says. */
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

/** @throws AppError 400 for what we have not sealed, or for another provider. */
export function openRequest(keyRing: KeyRing, ctx: Context, sealed: string): Request {
  const request = unsealed(keyRing, sealed);
  if (request?.providerId !== providerIn(ctx)) throw noneOfOurs('request_unreadable');
  return request;
}

/** Back to the app with some words, if it said where. @returns undefined when it did not. */
export function wayBack({ redirectUri, state }: Request, words: Record<string, string>): string | undefined {
  if (redirectUri === undefined) return undefined;
  const address = new URL(redirectUri);
  for (const [name, word] of Object.entries({ ...words, ...(state === undefined ? undefined : { state }) }))
    address.searchParams.set(name, word);
  return address.href;
}

/** No app of ours says this. */
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
