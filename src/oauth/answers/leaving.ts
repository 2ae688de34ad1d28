import type { Context, Next } from 'koa';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { printable } from '../../http/boundary.ts';
import { languageOf } from '../../http/language.ts';
import { onwardFrom, saysItNavigates } from '../../http/redirects.ts';
import { render } from '../../http/render.ts';
import { allowFormAction } from '../../http/security-headers.ts';
import type { Database } from '../../platform/database.ts';
import { nameOfClient } from '../clients/display-name.ts';
import { showOwnerFacts } from '../consent/owner-facts.ts';
import { ROUTES } from '../routes.ts';
import { newestGrant } from '../store/grants.ts';
import type { LibraryError } from './events.ts';

/**
 * Owns how an authorization error reaches an app. Anyone can register a client and use an error to redirect a browser from our address
 * (RFC 9700 section 4.11.2). So the user first sees a page of this server and chooses to continue or not.
 * Some errors are redirected directly, because they reveal nothing new or the address is trusted: see goesStraight().
 * Without Fetch Metadata the page continues by itself. Programs then receive the error; an old browser is not protected by the page.
 */

/** Stores the error of a request in its state. holdErrors() then holds an error that leads to an app. */
export function noteAuthorizationErrors(provider: Provider): void {
  const note = (ctx: KoaContextWithOIDC, error: LibraryError) => {
    ctx.state['authorizationError'] = error;
  };
  provider.on('authorization.error', note);
  provider.on('server_error', note);
}

/** Wraps the library's endpoints, inside the middleware that renders and stores their responses. */
export function holdErrors({ provider, database }: { provider: Provider; database: Database }) {
  return async (ctx: Context, next: Next): Promise<void> => {
    // The query as sent: the endpoints add their own parameters to it.
    const query = ctx.querystring;
    await next();
    const error = ctx.state.authorizationError as LibraryError | undefined;
    // A second request got the response of the first, which was checked already: see endings.ts.
    if (!error || ctx.state.repeated || !isAuthorization(ctx.path)) return;
    const way = typeof ctx['oidc']?.params?.redirect_uri === 'string' ? wayOut(ctx) : undefined;
    if (!way || (await goesStraight(ctx as never, provider, database))) return;
    ctx.state.pageQuery ??= query;
    await showFirst(ctx as never, database, error, way);
  };
}

const isAuthorization = (path: string): boolean => path === ROUTES.authorization || path.startsWith(`${ROUTES.authorization}/`);

/** How the library answers the app: by a redirect, or by a form that submits itself (OAuth 2.0 Form Post Response Mode). */
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
  // No page may be shown: a frame without a user sent the request (OIDC Core section 3.1.2.1).
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
  if (client) await showOwnerFacts(ctx, database);
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

/** @returns the host to show for an address, or its scheme when the address is an app's own scheme, which has no owned host. */
export function hostOf(address: string): string {
  const { protocol, host } = new URL(address);
  return protocol === 'https:' || protocol === 'http:' ? host : protocol;
}
