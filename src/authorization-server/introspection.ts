import querystring from 'node:querystring';
import type { Context, Next } from 'koa';
import type { Client, Provider } from 'oidc-provider';
import { readBody, replaceBody } from '../http/form.ts';
import type { Database } from '../platform/database.ts';
import { findIssuedToken, type IssuedToken } from '../protocol-store/tokens.ts';
import { mayIntrospect } from './caller-policy.ts';

/**
 * Owns the short way of introspection (RFC 7662): APIs ask for it more than for all else together.
 * One opaque token of ours, a client that authenticates by its secret, nothing unusual: answered from the client cache and one
 * statement. Whatever is not so goes on to the library, whose answers these are to the byte; where they differ, the library is right
 * (test/endpoints/introspection-differential.test.ts).
 */

const MAX_BODY_BYTES = 4 * 1024;
const OPAQUE_TOKEN = /^[\w-]{43}$/;
const PRINTABLE = /^[\x20-\x7e]+$/;
const KNOWN_PARAMETERS = new Set(['token', 'token_type_hint', 'client_id', 'client_secret']);

type Question = { token: string; clientId: string; clientSecret: string };

export function introspectShortly(
  path: string,
  { provider, database, issuer }: { provider: Provider; database: Database; issuer: string },
) {
  const allowed = mayIntrospect(issuer);
  return async (ctx: Context, next: Next) => {
    const question = ctx.path === path && isPlain(ctx) ? await readQuestion(ctx) : undefined;
    const caller = question && (await authenticate(provider, question));
    if (!question || !caller) return next();
    const token = await findIssuedToken(database, question.token);
    const active =
      token &&
      stands(token) &&
      (await allowed(undefined as never, caller, { clientId: token.client_id, aud: token.payload['aud'] as string | undefined }));
    ctx.state.caller = caller;
    ctx.state.logged = { ...ctx.state.logged, way: 'short' };
    ctx.set('Cache-Control', 'no-store');
    ctx.vary('Origin');
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.set('Access-Control-Expose-Headers', 'WWW-Authenticate');
    ctx.body = active ? describe(token, issuer) : { active: false };
  };
}

/** No header that gives the request another meaning. */
function isPlain({ method, headers }: Context): boolean {
  return (
    method === 'POST' &&
    headers['content-type'] === 'application/x-www-form-urlencoded' &&
    Number(headers['content-length']) <= MAX_BODY_BYTES &&
    !headers.origin &&
    !headers['dpop'] &&
    !headers['oauth-client-attestation'] &&
    !headers['oauth-client-attestation-pop']
  );
}

/** @returns what is asked and by whom, when it is asked in the usual form; the body stays readable for the library. */
async function readQuestion(ctx: Context): Promise<Question | undefined> {
  const body = await readBody(ctx.req);
  replaceBody(ctx.req, body);
  const parameters = querystring.parse(body.toString('utf8'));
  if (Object.entries(parameters).some(([name, value]) => !KNOWN_PARAMETERS.has(name) || typeof value !== 'string' || !value))
    return undefined;
  const { token, client_id, client_secret } = parameters as Record<string, string | undefined>;
  if (!token || !OPAQUE_TOKEN.test(token)) return undefined;
  const basic = ctx.headers.authorization;
  if (basic === undefined) return client_id && client_secret ? { token, clientId: client_id, clientSecret: client_secret } : undefined;
  const credentials = client_secret === undefined ? basicCredentials(basic) : undefined;
  if (!credentials || (client_id !== undefined && client_id !== credentials.clientId)) return undefined;
  return { token, ...credentials };
}

/** Credentials that are spelled in the one canonical way (RFC 6749 section 2.3.1, RFC 7617). */
function basicCredentials(header: string): { clientId: string; clientSecret: string } | undefined {
  const encoded = /^basic ([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (!encoded) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) return undefined;
  const [id, secret, ...more] = bytes.toString('latin1').split(':');
  if (!id || !secret || more.length) return undefined;
  try {
    const [clientId, clientSecret] = [id, secret].map((part) => decodeURIComponent(part.replaceAll('+', '%20'))) as [string, string];
    return PRINTABLE.test(clientId) && PRINTABLE.test(clientSecret) ? { clientId, clientSecret } : undefined;
  } catch {
    return undefined;
  }
}

async function authenticate(provider: Provider, { clientId, clientSecret }: Question): Promise<Client | undefined> {
  const client = await provider.Client.find(clientId);
  if (!client || client.clientSecretExpiresAt || !['client_secret_basic', 'client_secret_post'].includes(String(client.clientAuthMethod)))
    return undefined;
  return (client as unknown as { compareClientSecret(secret: string): boolean }).compareClientSecret(clientSecret) ? client : undefined;
}

/** Whether what the token hangs on is there, and its own: the grant, and the session if it ends with one. */
function stands({ kind, client_id, account_id, grant_id, consumed_at, payload, grant, session }: IssuedToken): boolean {
  if (kind === 'RefreshToken' && consumed_at) return false;
  if (grant_id && (!grant || grant.client_id !== client_id || grant.account_id !== account_id)) return false;
  if (!payload['expiresWithSession']) return true;
  const authorizations = session?.payload['authorizations'] as Record<string, { grantId?: string }> | undefined;
  return !!session && session.account_id === account_id && authorizations?.[client_id]?.grantId === grant_id;
}

/** The members in the library's order; JSON leaves out what is undefined. */
function describe({ kind, client_id, account_id, expires_at, payload }: IssuedToken, issuer: string): Record<string, unknown> {
  const { extra, iat, sid, aud, scope, jkt } = payload as Record<string, string> & { extra?: object };
  return {
    active: true,
    ...(account_id ? { sub: account_id } : undefined),
    ...extra,
    client_id,
    exp: Math.floor(expires_at.getTime() / 1000),
    iat,
    sid,
    iss: issuer,
    aud,
    scope: scope || undefined,
    cnf: jkt ? { jkt } : undefined,
    token_type: kind === 'RefreshToken' ? undefined : jkt ? 'DPoP' : 'Bearer',
  };
}
