import { decodeJwt as decodeClaims, decodeProtectedHeader } from 'jose';
import { ROUTES } from '../../../oauth/routes.ts';

/**
 * Owns the requests that the portal sends as the tried client, to the same endpoints and in the same form as the client. A pasted secret is
 * used once and not stored.
 */

export type Fetch = typeof globalThis.fetch;

export type EndpointAnswer = { status: number; body: Record<string, unknown> };

export type Tried = { id: string; authMethod: string };

/** @returns whether the portal can authenticate with this method. Only the holder of a private key can sign with it. */
export const askable = (method: string): boolean => ['none', 'client_secret_basic', 'client_secret_post'].includes(method);

export function askForToken(
  ask: Fetch,
  issuer: string,
  { id, authMethod }: Tried,
  secret: string,
  parameters: Record<string, string>,
): Promise<EndpointAnswer> {
  const basic = authMethod === 'client_secret_basic';
  const body = new URLSearchParams({
    ...parameters,
    ...(basic ? undefined : { client_id: id }),
    ...(authMethod === 'client_secret_post' ? { client_secret: secret } : undefined),
  });
  const authorization = `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;
  return answerOf(ask(`${issuer}${ROUTES.token}`, { method: 'POST', body, headers: basic ? { authorization } : {} }));
}

/**
 * The endpoint to try for each scope; the first scope that the token has wins. A token for posts opens only that API and sometimes
 * userinfo, so it comes first.
 */
const OPENED: [scope: string, path: string][] = [
  ['posts:read', '/api/posts'],
  ['openid', ROUTES.userinfo],
  ['profile', '/api/me'],
  ['api', '/api/data'],
];

/** Calls an endpoint that the token opens. @returns undefined for a token whose scopes open no endpoint of this server. */
export async function tryToken(
  ask: Fetch,
  issuer: string,
  token: string,
  scope: string,
): Promise<({ line: string } & EndpointAnswer) | undefined> {
  const scopes = scope.split(' ');
  const path = OPENED.find(([name]) => scopes.includes(name))?.[1];
  if (!path) return undefined;
  return { line: `GET ${issuer}${path}`, ...(await answerOf(ask(`${issuer}${path}`, { headers: { authorization: `Bearer ${token}` } }))) };
}

async function answerOf(asked: Promise<Response>): Promise<EndpointAnswer> {
  const response = await asked;
  const text = await response.text();
  try {
    const body: unknown = JSON.parse(text);
    return { status: response.status, body: typeof body === 'object' && body ? (body as Record<string, unknown>) : {} };
  } catch {
    return { status: response.status, body: {} };
  }
}

/** @returns a JWT's header and claims without verifying it: the client's library must do that (OIDC Core section 3.1.3.7). */
export function decodeJwt(jwt: unknown): { header: Record<string, unknown>; claims: Record<string, unknown> } | undefined {
  if (typeof jwt !== 'string') return undefined;
  try {
    return { header: decodeProtectedHeader(jwt) as Record<string, unknown>, claims: decodeClaims(jwt) };
  } catch {
    return undefined;
  }
}
