import { Issuer } from 'openid-client-5';

/**
 * openid-client 5 as its README shows: no PKCE, since it sends none unless the application makes a verifier.
 * @param {{ issuer: string, clientId: string, clientSecret: string, redirectUri: string, scope?: string, walk: (url: string) => Promise<string> }} app
 */
export async function openidClient5({ issuer, clientId, clientSecret, redirectUri, scope, walk }) {
  const found = await Issuer.discover(issuer);
  const client = new found.Client({
    client_id: clientId,
    client_secret: clientSecret,
    redirect_uris: [redirectUri],
    response_types: ['code'],
  });
  const address = client.authorizationUrl(scope ? { scope } : {});
  const tokens = await client.callback(redirectUri, client.callbackParams(await walk(address)));
  const userinfo = await client.userinfo(tokens);
  const refreshed = tokens.refresh_token ? await client.refresh(tokens.refresh_token) : undefined;
  const introspected = await client.introspect(tokens.access_token);
  await client.revoke(refreshed?.access_token ?? tokens.access_token);
  return { claims: tokens.claims(), userinfo, refreshed, introspected };
}
