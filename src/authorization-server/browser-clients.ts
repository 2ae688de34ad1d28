import type { Client, KoaContextWithOIDC } from 'oidc-provider';

/** A page may call us from the origin its client registered to be redirected to; a client with a secret has no business in a page. */
export function corsOrigins(ctx: KoaContextWithOIDC, origin: string, client: Client): boolean {
  if (origin === 'null') return false;
  if (ctx.oidc.route !== 'userinfo' && client.clientAuthMethod !== 'none') return false;
  return (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin);
}
