import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { LOOPBACK } from './hosts.ts';

/**
 * Owns which pages may call as a client (CORS): those of the origins that its redirect URIs have, those that it names as `allowed_origins`, and while it is
 * developed on a loopback address, those of any port there. A client with a secret has no business in a page.
 */
export function corsOrigins(ctx: KoaContextWithOIDC, origin: string, client: Client): boolean {
  if (origin === 'null') return false;
  if (ctx.oidc.route !== 'userinfo' && client.clientAuthMethod !== 'none') return false;
  const allowed = client['allowed_origins'];
  if (Array.isArray(allowed) && allowed.includes(origin)) return true;
  const registered = (client.redirectUris ?? []).flatMap((uri) => URL.parse(uri) ?? []);
  return registered.some((uri) => uri.origin === origin) || isDevelopmentPage(origin, registered);
}

/** The page and the redirect URI may be served on different ports of the developer's machine, by either name (RFC 8252 section 7.3). */
function isDevelopmentPage(origin: string, registered: URL[]): boolean {
  const page = URL.parse(origin);
  return (
    page?.origin === origin &&
    LOOPBACK.has(page.hostname) &&
    registered.some(({ protocol, hostname }) => protocol === page.protocol && LOOPBACK.has(hostname))
  );
}
