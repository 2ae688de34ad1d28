import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { drive } from '../support/client-driver.ts';
import { createDeviceClient } from '../support/device.ts';
import { freePort, REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { obtainTokens } from '../support/flow.ts';
import { comeToPortal, fill, knowsScope, makeIntrospector, registerApi, SCOPE } from '../support/owned-apis.ts';
import { register } from '../support/registration.ts';

/** Java's clients (a module each below java/), with a user who only signs in and presses Allow. Maven is run by hand; without its jars the tests are skipped. */

const JARS = {
  nimbus: 'nimbus/target/client.jar',
  'spring-boot-3': 'spring-boot-3/target/client.jar',
  'spring-boot-4': 'spring-boot-4/target/client.jar',
  quarkus: 'quarkus/target/quarkus-app/quarkus-run.jar',
};
type Module = keyof typeof JARS;
const jar = (module: Module) => join(import.meta.dirname, 'java', JARS[module]);
const built = (Object.keys(JARS) as Module[]).every((module) => existsSync(jar(module)));

const BOOKS = 'https://books.example/v1';
const FILMS = 'https://films.example/v1';

describe('Java', { skip: !built && "Maven has not built Java's clients: see docs/clients.md" }, () => {
  let server: TestServer;
  let user: { id: string; email: string; password: string };
  /** The settings of the resource servers: the client that introspects, and the tokens to call them with. */
  let apis: Record<string, string | undefined>;
  before(async () => {
    server = await startTestServer();
    user = await server.createPerson();
    const developer = await comeToPortal(server);
    const [books, films] = [
      await registerApi(developer, { identifier: BOOKS, format: 'jwt', type: 'JWT' }),
      await registerApi(developer, { identifier: FILMS, name: 'Films' }),
    ];
    await fill(developer, `${books}/scopes`, SCOPE);
    await fill(developer, `${films}/scopes`, { ...SCOPE, name: 'films:read' });
    const introspector = await makeIntrospector(developer, films);
    await knowsScope(server, 'films:read');
    const client = await server.createClient();
    const tokens = (scope: string, resource: string) => obtainTokens(server, client, user, { scope, resource }, { resource });
    const forBooks = await tokens('openid books:read', BOOKS);
    apis = {
      audience: BOOKS,
      apiId: introspector.client_id,
      apiSecret: introspector.client_secret,
      books: forBooks.access_token,
      idToken: forBooks.id_token,
      opaque: (await obtainTokens(server, client, user)).access_token,
      films: (await tokens('films:read', FILMS)).access_token,
      posts: (await tokens('posts:read', `${server.issuer}/api/posts`)).access_token,
    };
  });
  after(() => server.close());

  // The program ends within seconds, so the optimizing compiler would only cost time.
  const run = (module: Module, settings: Record<string, unknown>) =>
    drive<unknown>(server, user, ['java', '-XX:TieredStopAtLevel=1', '-jar', jar(module)], settings);

  /** A client that registered itself, as its developer would type it in. */
  async function registered(redirectUri: string) {
    const client = await register(server, { redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'] });
    return { clientId: client.client_id, clientSecret: client.client_secret, redirectUri };
  }

  /** The same for an app that listens on localhost. */
  async function onLoopback(path: string) {
    const port = String(await freePort());
    return { port, ...(await registered(`http://localhost:${port}${path}`)) };
  }

  const details = () => ({ sub: user.id, email: user.email, name: '홍길동' });

  it('Nimbus signs in, validates the ID token, refreshes, reads userinfo; device flow; private_key_jwt', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const [device, signer] = await Promise.all([
      createDeviceClient(server),
      server.createClient({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [publicKey.export({ format: 'jwk' })] } }),
    ]);
    const seen = await run('nimbus', {
      ...(await registered(REDIRECT_URI)),
      deviceId: device.client_id,
      signerId: signer.client_id,
      key: JSON.stringify(privateKey.export({ format: 'jwk' })),
    });
    assert.deepEqual(seen, { user: details(), renewed: true, device: user.email, data: 200 });
  });

  for (const module of ['spring-boot-3', 'spring-boot-4'] as const)
    it(`${module}: login, and resource servers with JWTs and with opaque tokens`, async () => {
      const seen = await run(module, { ...(await onLoopback('/login/oauth2/code/munjigi')), ...apis });
      assert.deepEqual(seen, {
        user: details(),
        // The token for the posts has `typ: at+jwt`, which Spring refuses. An ID token has no scope; with an audience it is refused altogether.
        jwt: [user.id, '401', '403'],
        audience: [user.id, '401'],
        opaque: [user.id, '403', '401'],
      });
    });

  it('Quarkus: web application, and services with JWTs and with opaque tokens', async () => {
    const seen = await run('quarkus', { ...(await onLoopback('/me')), ...apis });
    // Quarkus accepts `typ: at+jwt`: the token for the posts opens one endpoint, and lacks the scope of the other.
    assert.deepEqual(seen, { user: details(), jwt: [user.id, user.id, '403', '401'], opaque: [user.id, '401'] });
  });
});
