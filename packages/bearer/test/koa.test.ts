import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createBearer } from '@munjigi/bearer/koa';
import Koa from 'koa';
import { type AuthorizationServer, CLIENT, startAuthorizationServer } from './authorization-server.ts';

describe('The Koa middleware', () => {
  let server: AuthorizationServer;
  let listener: ReturnType<Koa['listen']>;
  let reached = 0;
  let logged: unknown;
  before(async () => {
    server = await startAuthorizationServer();
    const app = new Koa();
    app.use(async (ctx, next) => {
      await next();
      logged = ctx.state['logged'];
    });
    app.use(createBearer({ issuer: server.issuer, ...CLIENT }).opaque({ scope: 'things' }));
    app.use((ctx) => {
      reached++;
      ctx.body = { sub: ctx.state['token'].sub };
    });
    listener = app.listen(0, '127.0.0.1');
    await new Promise((listening) => listener.once('listening', listening));
  });
  after(async () => {
    await new Promise((closed) => listener.close(closed));
    await server.close();
  });

  const get = (headers: Record<string, string>) => fetch(`http://127.0.0.1:${(listener.address() as AddressInfo).port}/`, { headers });

  it('puts the claims of a valid token at ctx.state.token', async () => {
    server.introspects({ active: true, token_type: 'Bearer', sub: 'user-1', scope: 'things' });
    assert.deepEqual(await (await get({ authorization: 'Bearer abc' })).json(), { sub: 'user-1' });
    assert.equal(reached, 1);
  });

  it('answers a refused request itself', async () => {
    reached = 0;
    const response = await get({});
    assert.deepEqual([response.status, response.headers.get('www-authenticate')], [401, 'Bearer scope="things"']);
    assert.deepEqual([response.headers.get('cache-control'), reached], ['no-store', 0]);
    assert.deepEqual(Object.keys((await response.json()) as object), ['error', 'error_description']);
  });

  it('says to the log why a token could not be checked', async () => {
    server.answers('/introspect', { status: 500, body: {} });
    const response = await get({ authorization: 'Bearer abc' });
    assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '5']);
    assert.match(JSON.stringify(logged), /reason/);
  });
});
