import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

/** An authorization server for the tests of this package: its answers are fields that a test changes. */

export const AUDIENCE = 'https://api.example/things';
export const CLIENT = { clientId: 'api:one', clientSecret: 'a secret/with+signs' };

type Answer = { status?: number; body?: unknown; text?: string; hang?: boolean };
export type AuthorizationServer = Awaited<ReturnType<typeof startAuthorizationServer>>;

export async function startAuthorizationServer() {
  const keys = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
  const answers = new Map<string, Answer>();
  const requests: { path: string; body: string; authorization: string | undefined }[] = [];

  const server = createServer(async (request, response) => {
    const path = String(request.url);
    let body = '';
    for await (const chunk of request) body += chunk;
    requests.push({ path, body, authorization: request.headers.authorization });
    const { status = 200, body: json, text, hang } = answers.get(path) ?? { status: 404, body: {} };
    if (hang) return;
    response.writeHead(status, { 'content-type': 'application/json' }).end(text ?? JSON.stringify(json));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  /** Puts every answer back to that of a server in order. */
  function reset(): void {
    requests.length = 0;
    answers.clear();
    const endpoints = { introspection_endpoint: `${issuer}/introspect`, jwks_uri: `${issuer}/jwks` };
    answers.set('/.well-known/oauth-authorization-server', { body: { issuer, ...endpoints } });
    answers.set('/jwks', { body: { keys: [jwk] } });
    introspects({ active: false });
  }
  function introspects(body: Record<string, unknown>): void {
    answers.set('/introspect', { body });
  }
  reset();

  return {
    issuer,
    requests,
    reset,
    introspects,
    answers: (path: string, answer: Answer) => answers.set(path, answer),
    /** A JWT access token (RFC 9068 section 2) of this server, with these claims on top. */
    jwt(claims: JWTPayload = {}, header: { typ?: string; kid?: string } = {}): Promise<string> {
      const base = { iss: issuer, aud: AUDIENCE, sub: 'user-1', client_id: 'app', scope: 'things:read', jti: 'a' };
      return new SignJWT({ ...base, exp: Math.floor(Date.now() / 1000) + 60, iat: Math.floor(Date.now() / 1000), ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt', ...header })
        .sign(keys.privateKey);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
