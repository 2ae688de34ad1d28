import Router from '@koa/router';
import type { Context } from 'koa';
import { credentialsOf, findProvider } from '../federation/providers.ts';
import type { Database } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import type { KeyRing } from '../platform/secrets.ts';

/**
 * Owns where a provider finds the public half of the key by which we authenticate to it (`private_key_jwt`, OIDC Core section 9): an
 * operator registers this address there as our `jwks_uri`.
 */
export function upstreamClientKeys(database: Database, keyRing: KeyRing) {
  const router = new Router();
  router.get('/upstream/:provider/jwks', async (ctx: Context) => {
    const provider = await findProvider(database, String(ctx['params'].provider));
    if (provider?.settings.clientAuthMethod !== 'private_key_jwt') throw new AppError('not_found', { status: 404 });
    const jwk: Record<string, unknown> = JSON.parse(credentialsOf(keyRing, provider) ?? '{}');
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.type = 'application/jwk-set+json';
    ctx.body = JSON.stringify({ keys: [publicHalf(jwk)] });
  });
  return router.routes();
}

// What is told is listed, not what is kept back: a member that nobody thought of stays with us (RFC 7518 section 6).
const PUBLIC = ['kty', 'kid', 'alg', 'crv', 'x', 'y', 'n', 'e'];

const publicHalf = (jwk: Record<string, unknown>) => ({
  ...Object.fromEntries(PUBLIC.filter((member) => jwk[member] !== undefined).map((member) => [member, jwk[member]])),
  use: 'sig',
});
