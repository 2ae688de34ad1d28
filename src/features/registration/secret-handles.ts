import type { Context, Next } from 'koa';
import { readBody, replaceBody } from '../../http/form.ts';
import { isSecretHandle, secretHandle } from '../../oauth/clients/secrets.ts';

/** Owns the removal of secret handles from the management endpoint. oauth/clients/client-secrets.ts says what a handle is. */

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
