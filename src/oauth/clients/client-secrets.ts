import type { Context, Next } from 'koa';
import type { Provider } from 'oidc-provider';
import { readBody, replaceBody } from '../../http/form.ts';
import type { Database } from '../../platform/database.ts';
import { override } from '../internals.ts';
import { noteUse } from './secret-use.ts';
import { isSecretHandle, matchingHandle, secretHandle } from './secrets.ts';

/**
 * Owns the connection between hashed client secrets and a library that expects them in clear.
 * Inside the library a secret is its handle. This file compares handles and removes them from responses.
 */

/**
 * The library awaits this undocumented method (a test covers it), and the fast path of introspection calls it too.
 * Here a presented secret is hashed and compared.
 */
export function compareHashedSecrets(provider: Provider, database: Database): void {
  override(
    provider,
    'Client.compareClientSecret',
    () =>
      function (secret) {
        const handle = matchingHandle(this.clientSecret, secret);
        if (handle) noteUse(database, handle);
        return handle !== undefined;
      },
  );
}

/**
 * Wraps the management endpoint (RFC 7592). A secret that a client sends is replaced by its handle before the library compares it.
 * No response contains a handle. A new secret is returned in clear once (RFC 7591 section 3.2.1).
 */
export function hideSecretHandles(registrationPath: string) {
  return async (ctx: Context, next: Next) => {
    if (!ctx.path.startsWith(registrationPath)) return next();
    if (ctx.method === 'PUT' && ctx.is('application/json')) await handleInBody(ctx);
    await next();
    const body = ctx.body as Record<string, unknown> | undefined;
    if (isSecretHandle(body?.['client_secret'])) ctx.body = { ...body, client_secret: undefined, client_secret_expires_at: undefined };
  };
}

async function handleInBody(ctx: Context): Promise<void> {
  const body = await readBody(ctx.req);
  replaceBody(ctx.req, withHandle(body));
}

function withHandle(body: Buffer): Buffer {
  try {
    const metadata = JSON.parse(body.toString('utf8'));
    if (typeof metadata?.client_secret !== 'string') return body;
    return Buffer.from(JSON.stringify({ ...metadata, client_secret: secretHandle(metadata.client_secret) }));
  } catch {
    // Not JSON: the library reports the error.
    return body;
  }
}
