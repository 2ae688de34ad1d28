import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { webLinkProblem } from '../../src/oauth/clients/web-link.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, post } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

/** Links that users follow, and URLs that the server fetches. */
const PAGES = ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'policy_uri#ko', 'policy_uri#en', 'tos_uri#ko', 'tos_uri#en'];
const FETCHED = ['jwks_uri', 'sector_identifier_uri', 'initiate_login_uri'];
const WRONG = [
  'http://walk.example/terms',
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\tscript:alert(1)',
  ' javascript:alert(1)',
  'https://walk.example/\tterms',
  'https://walk.example/a b',
  'https://user:secret@walk.example/',
  'https://bank.example@walk.example/',
  'https://@walk.example/',
  'https:/walk.example/',
  'https:walk.example',
  'https:///walk.example',
  'https:\\\\walk.example',
  'https://bank.example\\@walk.example/',
  'https://walk.example/\u202egnp.exe',
  'https://wаlk.example/',
  'data:text/html,x',
  'ftp://walk.example/',
  'walk.example',
  '//walk.example',
  `https://walk.example/${'x'.repeat(2_000)}`,
];

describe('URLs in client metadata (RFC 7591 sections 2 and 5)', () => {
  let server: TestServer;
  let listener: Server;
  let port: number;
  let connections = 0;
  before(async () => {
    server = await startTestServer();
    port = await freePort();
    listener = createServer((socket) => {
      connections++;
      socket.destroy();
    }).listen(port, '127.0.0.1');
  });
  after(async () => {
    listener.close();
    await server.close();
  });

  it('must lead to a web page by https, at registration and at an update', async () => {
    const client = await register(server);
    for (const member of [...PAGES, ...FETCHED])
      for (const link of WRONG)
        await unchanged(server, async () => {
          const body = await assertRefused(await askToRegister(server, { ...METADATA, [member]: link }), 400, 'invalid_client_metadata');
          assert(String(body['error_description']).startsWith(`${member} must`), `${member} ${link}: ${body['error_description']}`);
          assert.match(String(body['error_description']), /^[\x20-\x7e]+$/);
        });
    for (const member of PAGES)
      for (const link of ['http://walk.example/', 'javascript:alert(1)']) {
        const update = { ...METADATA, client_id: client.client_id, [member]: link };
        await assertRefused(await unchanged(server, () => manage(server, client, 'PUT', update)), 400, 'invalid_client_metadata');
      }
    await register(server, Object.fromEntries(PAGES.map((member) => [member, `https://walk.example/${encodeURIComponent(member)}?a=b#c`])));
  });

  it("may point to the developer's own machine only if the server runs there too", async () => {
    const client_uri = 'http://localhost:5173/';
    await register(server, { client_uri });
    assert.match(String(webLinkProblem(client_uri, false)), /must be an absolute https address/);
    for (const elsewhere of ['http://localhost.example/', 'http://10.0.0.1/', 'http://localhost@walk.example/'])
      await unchanged(server, async () =>
        assertRefused(await askToRegister(server, { ...METADATA, client_uri: elsewhere }), 400, 'invalid_client_metadata'),
      );
  });

  it('are not fetched inside the network: a listener on loopback sees no connection, for any member', async () => {
    const spellings = [
      `https://127.0.0.1:${port}/x`,
      `https://localhost:${port}/x`,
      `https://[::ffff:127.0.0.1]:${port}/x`,
      `https://0x7f.1:${port}/x`,
    ];
    const members = [...PAGES, ...FETCHED, 'backchannel_logout_uri', 'frontchannel_logout_uri', 'request_uris', 'redirect_uris'];
    for (const link of spellings)
      for (const member of members) {
        const value = member.endsWith('_uris') ? [link] : link;
        const keys = member === 'jwks_uri' ? { token_endpoint_auth_method: 'private_key_jwt' } : {};
        const answer = await askToRegister(server, { ...METADATA, ...keys, [member]: value });
        const body = (await answer.json()) as Record<string, string>;
        assert([201, 400].includes(answer.status), `${member} ${answer.status}`);
        if (answer.status !== 201) continue;
        const client = {
          client_id: body['client_id'] as string,
          client_secret: body['client_secret'] ?? '',
          redirect_uri: 'https://walk.example/cb',
        };
        await fetch(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined }), { redirect: 'manual' });
        const claims = { iss: client.client_id, sub: client.client_id, aud: server.issuer, jti: 'j', iat: 1, exp: 9e9 };
        const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
        await post(server, '/oauth/token', undefined, {
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: `${part({ alg: 'ES256' })}.${part(claims)}.c2ln`,
        });
      }
    assert.equal(connections, 0);
  });
});
