import type { Context, Next } from 'koa';
import type { Provider } from 'oidc-provider';
import { nameOfClient } from '../clients/display-name.ts';
import { languageOf } from '../http/language.ts';
import { AppError } from '../platform/errors.ts';

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
  const clientId = Buffer.from(ctx.cookies.get(cookieName(ctx), { signed: true }) ?? '', 'base64url').toString();
  const client = clientId ? await provider.Client.find(clientId).catch(() => undefined) : undefined;
  if (!client || client['dynamically_registered'] === true) return;
  const href = startAgainAt(client.initiateLoginUri, provider.issuer) ?? httpsOnly(client.clientUri)?.href;
  if (href) ctx.state.wayBack = { name: nameOfClient(client, languageOf(ctx)), href };
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
