import Router from '@koa/router';
import type { Context } from 'koa';
import type { Database } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import type { KeyRing } from '../../../platform/secrets.ts';
import { publicKeyOf } from '../administration.ts';
import { findProvider } from '../providers.ts';

/**
 * Owns the endpoint of the public key with which we authenticate to a provider (`private_key_jwt`, OIDC Core section 9). An operator
 * registers it at the provider as our `jwks_uri`.
 */
export function upstreamClientKeys(database: Database, keyRing: KeyRing) {
  const router = new Router();
  router.get('/upstream/:provider/jwks', async (ctx: Context) => {
    const provider = await findProvider(database, String(ctx['params'].provider));
    const key = provider && publicKeyOf(keyRing, provider);
    if (!key) throw new AppError('not_found', { status: 404 });
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.type = 'application/jwk-set+json';
    ctx.body = JSON.stringify({ keys: [key] });
  });
  return router.routes();
}
