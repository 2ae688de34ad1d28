import type { Middleware } from 'koa';
import { type BearerOptions, type Check, createBearerChecks, type JwtRequirement, type OpaqueRequirement } from './bearer.ts';

/**
 * Owns the bearer check as Koa middleware. A valid token is at `ctx.state.token`. A refused request gets its response here, and the next middleware
 * does not run.
 *
 *     const bearer = createBearer({ issuer: 'https://auth.example.com', clientId, clientSecret });
 *     router.get('/things', bearer.opaque({ scope: 'things' }), (ctx) => { ctx.body = ctx.state.token.sub });
 */
export function createBearer(options: BearerOptions) {
  const checks = createBearerChecks(options);
  return {
    opaque: (requirement?: OpaqueRequirement): Middleware => guard(checks.opaque(requirement)),
    jwt: (requirement: JwtRequirement): Middleware => guard(checks.jwt(requirement)),
  };
}

function guard(check: Check): Middleware {
  return async (ctx, next) => {
    const outcome = await check(ctx.headers);
    if (outcome.ok) {
      ctx.state['token'] = outcome.token;
      return next();
    }
    ctx.status = outcome.status;
    ctx.set(outcome.headers);
    ctx.body = outcome.body;
    // Read by the logger of the service, if it has one.
    if (outcome.reason !== undefined) ctx.state['logged'] = { reason: outcome.reason };
  };
}
