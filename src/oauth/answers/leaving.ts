import type { Context, Next } from 'koa';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { printable } from '../../http/boundary.ts';
import { languageOf } from '../../http/language.ts';
import { onwardFrom, saysItNavigates } from '../../http/onward.ts';
import { render } from '../../http/render.ts';
import { allowFormAction } from '../../http/security-headers.ts';
import type { Database } from '../../platform/database.ts';
import { nameOfClient } from '../clients/display-name.ts';
import { tellOwner } from '../consent/owner-facts.ts';
import { ROUTES } from '../routes.ts';
import { newestGrant } from '../store/grants.ts';
import type { LibraryError } from './error-book.ts';

/**
 * Owns how an authorization error leaves for an app. Anyone can register a client, and have an error send a browser from our address to theirs
 * (RFC 9700 section 4.11.2). So a page of ours comes first, and its user goes on or does not. An error goes straight only where
 * it tells an attacker nothing new or somebody trusts the address: see goesStraight(). For what does not say that it navigates, the page goes on by
 * itself: programs that follow a user's way hear the error, and a browser that old is the one that the page does not stop.
 */

/** Remembers the errors of a request; one that leads to an app is then held by holdErrors(). */
export function noteAuthorizationErrors(provider: Provider): void {
  const note = (ctx: KoaContextWithOIDC, error: LibraryError) => {
    ctx.state['authorizationError'] = error;
  };
  provider.on('authorization.error', note);
  provider.on('server_error', note);
}

/** Around the library's endpoints, within what dresses its answers and keeps them. */
export function holdErrors({ provider, database }: { provider: Provider; database: Database }) {
  return async (ctx: Context, next: Next): Promise<void> => {
    // As it was sent: the endpoints write their own parameters into it.
    const query = ctx.querystring;
    await next();
    const error = ctx.state.authorizationError as LibraryError | undefined;
    // Who came second got the answer of the first, which is judged already: see endings.ts.
    if (!error || ctx.state.repeated || !isAuthorization(ctx.path)) return;
    const way = typeof ctx['oidc']?.params?.redirect_uri === 'string' ? wayOut(ctx) : undefined;
    if (!way || (await goesStraight(ctx as never, provider, database))) return;
    ctx.state.pageQuery ??= query;
    await showFirst(ctx as never, database, error, way);
  };
}

const isAuthorization = (path: string): boolean => path === ROUTES.authorization || path.startsWith(`${ROUTES.authorization}/`);

/** How the library answers the app: by a redirect, or by a form that sends itself (OAuth 2.0 Form Post Response Mode). */
type Way = { address: string } | { form: string };

function wayOut(ctx: Context): Way | undefined {
  const address = ctx.response.get('Location');
  if (address) return URL.canParse(address) ? { address } : undefined;
  if (typeof ctx.body !== 'string') return undefined;
  const [, form] = /<script>[\s\S]*?<\/script>[\s\S]*?(<form method="post"[\s\S]*?)<noscript>/.exec(ctx.body) ?? [];
  return form?.includes('name="error"') ? { form } : undefined;
}

async function goesStraight(ctx: KoaContextWithOIDC, provider: Provider, database: Database): Promise<boolean> {
  const { client, params } = ctx.oidc;
  if (!client) return false;
  // Nobody is to see a page: a frame without a user asks (OIDC Core section 3.1.2.1).
  if (params?.['prompt'] === 'none') return true;
  if (client['publisher']) return true;
  if (URL.parse(String(params?.['redirect_uri']))?.origin === new URL(provider.issuer).origin) return true;
  const session = ctx.oidc.session ?? (await provider.Session.get(ctx));
  return session.accountId !== undefined && (await newestGrant(database, session.accountId, client.clientId)) !== undefined;
}

async function showFirst(ctx: KoaContextWithOIDC, database: Database, error: LibraryError, way: Way): Promise<void> {
  const { client, params } = ctx.oidc;
  const redirectUri = String(params?.['redirect_uri']);
  ctx.remove('Location');
  if (client) await tellOwner(ctx, database);
  render(ctx, 'leaving', {
    way,
    denied: error.error === 'access_denied',
    clientName: client && nameOfClient(client, languageOf(ctx)),
    host: hostOf(redirectUri),
    detail: { error: error.error ?? 'server_error', description: error.error_description && printable(error.error_description) },
    forOwner: ctx.state['forOwner'],
    // At the end of an interaction there is no request that could be shown again in another language.
    passing: ctx.path !== ROUTES.authorization,
  });
  if ('form' in way) allowFormAction(ctx, redirectUri);
  else if (!saysItNavigates(ctx as never)) onwardFrom(ctx as never, way.address);
}

/** What to call an address by: an app's own scheme has no host that anyone owns. */
export function hostOf(address: string): string {
  const { protocol, host } = new URL(address);
  return protocol === 'https:' || protocol === 'http:' ? host : protocol;
}
