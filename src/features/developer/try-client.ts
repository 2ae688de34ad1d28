import { decodeJwt as decodeClaims, decodeProtectedHeader } from 'jose';
import { ROUTES } from '../../oauth/routes.ts';

/**
 * Owns what the portal asks this server as the client that is tried: by the same addresses, and in the same way, as the client itself would.
 * A secret that was pasted for it is used here and forgotten.
 */

export type Fetch = typeof globalThis.fetch;

export type Answer = { status: number; body: Record<string, unknown> };

export type Tried = { id: string; authMethod: string };

/** The authentication methods by which the portal can ask: what a private key signs, its holder alone can. */
export const askable = (method: string): boolean => ['none', 'client_secret_basic', 'client_secret_post'].includes(method);

export function askForToken(
  ask: Fetch,
  issuer: string,
  { id, authMethod }: Tried,
  secret: string,
  parameters: Record<string, string>,
): Promise<Answer> {
  const basic = authMethod === 'client_secret_basic';
  const body = new URLSearchParams({
    ...parameters,
    ...(basic ? undefined : { client_id: id }),
    ...(authMethod === 'client_secret_post' ? { client_secret: secret } : undefined),
  });
  const authorization = `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;
  return answerOf(ask(`${issuer}${ROUTES.token}`, { method: 'POST', body, headers: basic ? { authorization } : {} }));
}

/** What each scope opens here, the first that a token has. One for the posts opens nothing else but userinfo, and that not always. */
const OPENED: [scope: string, path: string][] = [
  ['posts:read', '/api/posts'],
  ['openid', ROUTES.userinfo],
  ['profile', '/api/me'],
  ['api', '/api/data'],
];

/** What a token opens here. @returns undefined for one whose scopes open nothing of this server's own. */
export async function tryToken(ask: Fetch, issuer: string, token: string, scope: string): Promise<({ line: string } & Answer) | undefined> {
  const scopes = scope.split(' ');
  const path = OPENED.find(([name]) => scopes.includes(name))?.[1];
  if (!path) return undefined;
  return { line: `GET ${issuer}${path}`, ...(await answerOf(ask(`${issuer}${path}`, { headers: { authorization: `Bearer ${token}` } }))) };
}

async function answerOf(asked: Promise<Response>): Promise<Answer> {
  const response = await asked;
  const text = await response.text();
  try {
    const body: unknown = JSON.parse(text);
    return { status: response.status, body: typeof body === 'object' && body ? (body as Record<string, unknown>) : {} };
  } catch {
    return { status: response.status, body: {} };
  }
}

/** What a JWT says, without judging whether it is true: the client's library does (OIDC Core section 3.1.3.7). */
export function decodeJwt(jwt: unknown): { header: Record<string, unknown>; claims: Record<string, unknown> } | undefined {
  if (typeof jwt !== 'string') return undefined;
  try {
    return { header: decodeProtectedHeader(jwt) as Record<string, unknown>, claims: decodeClaims(jwt) };
  } catch {
    return undefined;
  }
}
