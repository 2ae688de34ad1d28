import type { Context, Next } from 'koa';
import type { Client, Provider } from 'oidc-provider';
import { languageOf } from '../../http/language.ts';
import { AppError } from '../../platform/errors.ts';
import { nameOfClient } from '../clients/display-name.ts';
import { OWN_PAGES } from '../clients/first-party.ts';

/**
 * Owns the way on for a user whose page expired or was completed: back to the app that sent this browser here last.
 * The link leads only to an address that an operator registered. Nobody reviewed the addresses of a client that registered itself.
 */

const DAY_MS = 24 * 60 * 60 * 1000;

const cookieName = (ctx: Context) => (ctx.secure ? '__Host-app' : 'app');

/** Stores in this browser which client its interaction is for. The client id is not secret; the signature prevents forgery. */
export function rememberApp(ctx: Context, clientId: string): void {
  ctx.cookies.set(cookieName(ctx), Buffer.from(clientId).toString('base64url'), {
    signed: true,
    httpOnly: true,
    sameSite: 'lax',
    path: '/',
    maxAge: DAY_MS,
  });
}

/** Adds the way back to the error page of an expired interaction: see http/boundary.ts. */
export async function offerWayBack(ctx: Context, provider: Provider): Promise<void> {
  if (ctx.state.wayBack) return;
  const clientId = Buffer.from(ctx.cookies.get(cookieName(ctx), { signed: true }) ?? '', 'base64url').toString();
  const client = clientId ? await provider.Client.find(clientId).catch(() => undefined) : undefined;
  if (!client || client['dynamically_registered'] === true) return;
  const href = addressOf(client, provider.issuer);
  if (href) ctx.state.wayBack = { name: nameOfClient(client, languageOf(ctx)), href };
}

/**
 * @returns the way to the app that a completed interaction of this browser led to.
 * @param origin of the redirect URI. The browser has been there already, so a link to it helps no attacker.
 */
export async function findWayBack(
  ctx: Context,
  provider: Provider,
  { clientId, origin }: { clientId: string; origin?: string },
): Promise<{ name: string; href: string } | undefined> {
  const client = await provider.Client.find(clientId).catch(() => undefined);
  if (!client || OWN_PAGES.includes(client.clientId)) return undefined;
  const vouched = client['dynamically_registered'] === true ? undefined : addressOf(client, provider.issuer);
  // A program that listened on this device for one response has stopped listening.
  const href = vouched ?? (client.applicationType === 'native' ? undefined : origin && `${origin}/`);
  return href ? { name: nameOfClient(client, languageOf(ctx)), href } : undefined;
}

/** Adds the way back to errors thrown on the way: an interaction of another browser, or a decision that was already made. */
export function wayBackFrom(provider: Provider) {
  return async (ctx: Context, next: Next) => {
    try {
      await next();
    } catch (error) {
      if (error instanceof AppError && error.code === 'interaction_expired') await offerWayBack(ctx, provider);
      throw error;
    }
  };
}

const addressOf = (client: Client, issuer: string) => startAgainAt(client.initiateLoginUri, issuer) ?? httpsOnly(client.clientUri)?.href;

/** @returns where an app starts a new sign-in (OpenID Connect Core section 4). */
function startAgainAt(uri: string | undefined, issuer: string): string | undefined {
  const url = httpsOnly(uri);
  url?.searchParams.set('iss', issuer);
  return url?.href;
}

function httpsOnly(uri: string | undefined): URL | undefined {
  const url = URL.parse(uri ?? '');
  return url?.protocol === 'https:' && !url.username && !url.password ? url : undefined;
}
