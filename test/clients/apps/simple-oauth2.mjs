import { AuthorizationCode, ClientCredentials } from 'simple-oauth2';

/** Its defaults for paths are this server's own. */
const configuration = ({ issuer, clientId, clientSecret }) => ({
  client: { id: clientId, secret: clientSecret },
  auth: { tokenHost: issuer },
  // Its default, 'strict', takes an empty answer for an error, and that of a revocation is empty (RFC 7009 section 2.2).
  http: { json: true },
});

export async function codeGrant({ redirectUri, scope, walk, ...settings }) {
  const client = new AuthorizationCode(configuration(settings));
  const parameters = { redirect_uri: redirectUri, ...(scope ? { scope } : {}) };
  const answer = new URL(await walk(client.authorizeURL({ ...parameters, state: 'a state' })));
  return client.getToken({ code: answer.searchParams.get('code'), ...parameters });
}

export function ownToken({ scope, ...settings }) {
  return new ClientCredentials(configuration(settings)).getToken({ scope });
}
