import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import querystring from 'node:querystring';
import OAuth2Server from '@node-oauth/oauth2-server';
import { CLIENT } from '../fixtures.ts';
import { DIALECT } from '../kinds/dialect.ts';
import type { Served } from '../server.ts';
import { createModel } from './oauth2-server-model.ts';

/**
 * @node-oauth/oauth2-server as its users run it: its handlers over a model on pg, on node:http with nothing else around it.
 * It has a token endpoint and a bearer check. Introspection is the caller's secret and that check; it has no revocation endpoint.
 */
export async function serveOAuth2Server(): Promise<Served> {
  const model = await createModel(String(process.env['DATABASE_URL']));
  const oauth = new OAuth2Server({ model, accessTokenLifetime: 3600, refreshTokenLifetime: 14 * 86400 });

  const routes: Record<string, (request: OAuth2Server.Request, response: OAuth2Server.Response) => Promise<unknown>> = {
    [DIALECT.paths.token]: async (request, response) => {
      await oauth.token(request, response);
      return response.body;
    },
    [DIALECT.paths.introspection]: async (request, response) => {
      const [id, secret] = Buffer.from(String(request.get('authorization')).slice(6), 'base64')
        .toString()
        .split(':');
      if (!(await model.getClient(String(id), String(secret)))) throw new OAuth2Server.InvalidClientError('unknown client or wrong secret');
      const token = await oauth.authenticate(bearing(request.body.token), response);
      return {
        active: true,
        sub: token.user['id'],
        client_id: token.client.id,
        exp: Math.floor(Number(token.accessTokenExpiresAt) / 1000),
        scope: token.scope?.join(' '),
        token_type: 'Bearer',
      };
    },
    [DIALECT.paths.userinfo]: async (request, response) => {
      const { user } = await oauth.authenticate(request, response);
      return { sub: user['id'], name: user['name'], preferred_username: user['username'] };
    },
  };

  const server = createServer(async (incoming, outgoing) => {
    const route = routes[String(incoming.url)];
    const request = new OAuth2Server.Request({
      headers: incoming.headers as Record<string, string>,
      method: String(incoming.method),
      query: {},
      body: incoming.method === 'POST' ? querystring.parse(await textOf(incoming)) : {},
    });
    const response = new OAuth2Server.Response();
    try {
      answer(outgoing, 200, await route?.(request, response), response.headers);
    } catch (error) {
      const { code, name } = error as OAuth2Server.OAuthError;
      answer(outgoing, code ?? 500, { error: name });
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    dialect: DIALECT,
    lacks: ['revocation'],
    mint: (count) => model.mintCodes(count, CLIENT.redirect_uris[0] as string),
  };
}

function bearing(token: string): OAuth2Server.Request {
  return new OAuth2Server.Request({ headers: { authorization: `Bearer ${token}` }, method: 'GET', query: {} });
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of incoming) text += chunk;
  return text;
}

function answer(outgoing: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(body);
  outgoing.writeHead(status, {
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
  });
  outgoing.end(text);
}
