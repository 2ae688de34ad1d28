import Router from '@koa/router';
import type { BearerOptions } from '@munjigi/bearer';
import { createBearer } from '@munjigi/bearer/koa';
import type { Context, Middleware } from 'koa';
import compose from 'koa-compose';
import { readJson } from '../http/form.ts';
import { type Database, isStorable } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';

import { createPosts, parsePost } from './posts.ts';

/** Where it answers: pages of every origin may read what it says to a token, and its metadata may be kept for a while. */
export const RESOURCE_API_PATHS = { api: '/api/', metadata: '/.well-known/oauth-protected-resource' };

/**
 * A small API guarded by scope. It knows the authorization server by URL alone, as any API elsewhere would:
 * opaque tokens open what is the server's own, JWTs meant for `/api/posts` open the posts.
 */
export function resourceApi({ database, ...options }: BearerOptions & { database: Database }): Middleware {
  const { issuer } = options;
  const bearer = createBearer(options);
  const posts = createPosts(database);
  const postsResource = `${issuer}/api/posts`;
  const own = (scope?: string, user = false) => bearer.opaque({ scope, user, audience: issuer, resourceMetadata: metadataUrl(issuer, '') });
  const forPosts = (scope: string) => bearer.jwt({ scope, audience: postsResource, resourceMetadata: metadataUrl(issuer, '/api/posts') });
  const router = new Router();

  router.get('/api/user', own(undefined, true), (ctx) => {
    ctx.body = person(ctx);
  });
  router.get('/api/me', own('profile', true), (ctx) => {
    const { sub, username } = person(ctx);
    ctx.body = { id: sub, username };
  });
  router.get('/api/data', own('api'), (ctx) => {
    ctx.body = { data: 'open to the scope api', client_id: ctx.state['token'].client_id };
  });
  router.get('/api/restricted', own('restricted'), (ctx) => {
    ctx.body = { data: 'open to the scope restricted', client_id: ctx.state['token'].client_id };
  });

  router.get('/api/posts', forPosts('posts:read'), async (ctx) => {
    ctx.body = { posts: await posts.list() };
  });
  router.post('/api/posts', forPosts('posts:write'), async (ctx) => {
    ctx.body = await posts.create(ctx.state['token'].sub, parsePost(await readJson(ctx)));
    ctx.status = 201;
  });
  router.put('/api/posts/:id', forPosts('posts:write'), async (ctx) => {
    ctx.body = await posts.replace(postId(ctx), ctx.state['token'].sub, parsePost(await readJson(ctx)));
  });
  router.delete('/api/posts/:id', forPosts('posts:write'), async (ctx) => {
    await posts.remove(postId(ctx), ctx.state['token'].sub);
    ctx.status = 204;
  });

  // Where a client learns which authorization server to ask, and for what (RFC 9728 section 3.1).
  router.get('/.well-known/oauth-protected-resource', (ctx) => {
    ctx.body = resourceMetadata(issuer, issuer, ['profile', 'email', 'api', 'restricted']);
  });
  router.get('/.well-known/oauth-protected-resource/api/posts', (ctx) => {
    ctx.body = resourceMetadata(issuer, postsResource, ['posts:read', 'posts:write']);
  });

  return compose([router.routes(), router.allowedMethods()] as never);
}

/** The claims a person's token allows, in the order of the standard; the token's own particulars stay out. */
function person(ctx: Context): Record<string, unknown> {
  const { sub, username, name, preferred_username, locale, updated_at, email, email_verified } = ctx.state['token'];
  return { sub, username, name, preferred_username, locale, updated_at, email, email_verified };
}

function postId(ctx: Context): string {
  const { id } = ctx['params'];
  if (!isStorable(id)) throw new AppError('not_found', { status: 404 });
  return id;
}

const metadataUrl = (issuer: string, path: string) => `${issuer}/.well-known/oauth-protected-resource${path}`;

function resourceMetadata(issuer: string, resource: string, scopes: string[]) {
  return { resource, authorization_servers: [issuer], scopes_supported: scopes, bearer_methods_supported: ['header'] };
}
