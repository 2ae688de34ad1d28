import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import express from 'express';

/** An MCP server of the SDK, with one tool. It introspects opaque tokens at the authorization server. */
export async function mcpServer({ issuer, origin, scope, introspector }) {
  const resource = new URL(`${origin}/mcp`);
  const oauthMetadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
  const verifier = {
    async verifyAccessToken(token) {
      const body = new URLSearchParams({ token, client_id: introspector.client_id, client_secret: introspector.client_secret });
      const answer = await (await fetch(oauthMetadata.introspection_endpoint, { method: 'POST', body })).json();
      if (!answer.active) throw new InvalidTokenError('the token is not active');
      return {
        token,
        clientId: answer.client_id,
        scopes: answer.scope?.split(' ') ?? [],
        expiresAt: answer.exp,
        resource: new URL(answer.aud),
        extra: { sub: answer.sub },
      };
    },
  };
  const app = express();
  app.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: resource, scopesSupported: [scope] }));
  const guard = requireBearerAuth({
    verifier,
    requiredScopes: [scope],
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(resource),
    expectedResource: resource,
  });
  app.post('/mcp', guard, express.json(), async (request, response) => {
    const server = new McpServer({ name: 'books', version: '1.0.0' });
    server.registerTool('whoami', { description: 'Who asks' }, ({ authInfo }) => ({
      content: [{ type: 'text', text: JSON.stringify({ sub: authInfo.extra.sub, scopes: authInfo.scopes }) }],
    }));
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on('close', () => server.close());
    await server.connect(transport);
    await transport.handleRequest(request, response, request.body);
  });
  app.use('/mcp', guard, (_request, response) => response.status(405).set('allow', 'POST').end());
  return app;
}
