import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { LOOPBACK } from './hosts.ts';

/**
 * Owns which pages may call this server as a client (CORS): pages at the origins of its redirect URIs and of its `allowed_origins`.
 * A client in development on a loopback address may use any port there. A page cannot protect a secret, so confidential clients get no
 * CORS.
 */
export function corsOrigins(ctx: KoaContextWithOIDC, origin: string, client: Client): boolean {
  if (origin === 'null') return false;
  if (ctx.oidc.route !== 'userinfo' && client.clientAuthMethod !== 'none') return false;
  const allowed = client['allowed_origins'];
  if (Array.isArray(allowed) && allowed.includes(origin)) return true;
  const registered = (client.redirectUris ?? []).flatMap((uri) => URL.parse(uri) ?? []);
  return registered.some((uri) => uri.origin === origin) || isDevelopmentPage(origin, registered);
}

/** In development, page and redirect URI may use different ports and names of the loopback interface (RFC 8252 section 7.3). */
function isDevelopmentPage(origin: string, registered: URL[]): boolean {
  const page = URL.parse(origin);
  return (
    page?.origin === origin &&
    LOOPBACK.has(page.hostname) &&
    registered.some(({ protocol, hostname }) => protocol === page.protocol && LOOPBACK.has(hostname))
  );
}
