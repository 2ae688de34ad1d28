import type { Context, Next } from 'koa';
import type { Client, Provider } from 'oidc-provider';
import { languageOf } from '../../http/language.ts';
import { AppError } from '../../platform/errors.ts';
import { nameOfClient } from '../clients/display-name.ts';
import { OWN_PAGES } from '../clients/first-party.ts';

/**
 * Owns the way on for a person whose page has expired or was finished: back to the app that brought this browser here last, to an
 * address that an operator registered. Where a client that registered itself leads, nobody has looked at.
 */

const DAY_MS = 24 * 60 * 60 * 1000;

const cookieName = (ctx: Context) => (ctx.secure ? '__Host-app' : 'app');

/** Remembers, in this browser alone, which client its interaction is for. The name is not secret; the signature keeps it ours. */
export function rememberApp(ctx: Context, clientId: string): void {
  ctx.cookies.set(cookieName(ctx), Buffer.from(clientId).toString('base64url'), {
    signed: true,
    httpOnly: true,
    sameSite: 'lax',
    path: '/',
    maxAge: DAY_MS,
  });
}

/** Has an error page about an interaction that is gone offer the way back, see http/boundary.ts. */
export async function offerWayBack(ctx: Context, provider: Provider): Promise<void> {
  if (ctx.state.wayBack) return;
  const clientId = Buffer.from(ctx.cookies.get(cookieName(ctx), { signed: true }) ?? '', 'base64url').toString();
  const client = clientId ? await provider.Client.find(clientId).catch(() => undefined) : undefined;
  if (!client || client['dynamically_registered'] === true) return;
  const href = addressOf(client, provider.issuer);
  if (href) ctx.state.wayBack = { name: nameOfClient(client, languageOf(ctx)), href };
}

/**
 * The way to the app that a finished interaction of this browser sent its user to.
 * @param origin of the redirect URI, which the browser was at already: a link to it adds nothing that an attacker could use.
 */
export async function findWayBack(
  ctx: Context,
  provider: Provider,
  { clientId, origin }: { clientId: string; origin?: string },
): Promise<{ name: string; href: string } | undefined> {
  const client = await provider.Client.find(clientId).catch(() => undefined);
  if (!client || OWN_PAGES.includes(client.clientId)) return undefined;
  const vouched = client['dynamically_registered'] === true ? undefined : addressOf(client, provider.issuer);
  // What listened on this device for one answer listens no more.
  const href = vouched ?? (client.applicationType === 'native' ? undefined : origin && `${origin}/`);
  return href ? { name: nameOfClient(client, languageOf(ctx)), href } : undefined;
}

/** The same for what is thrown on the way: an interaction that was opened elsewhere, a decision that was taken already. */
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

/** Where an app begins a sign-in anew (OpenID Connect Core section 4). */
function startAgainAt(uri: string | undefined, issuer: string): string | undefined {
  const url = httpsOnly(uri);
  url?.searchParams.set('iss', issuer);
  return url?.href;
}

function httpsOnly(uri: string | undefined): URL | undefined {
  const url = URL.parse(uri ?? '');
  return url?.protocol === 'https:' && !url.username && !url.password ? url : undefined;
}
