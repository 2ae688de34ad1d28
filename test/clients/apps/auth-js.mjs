import { Auth } from '@auth/core';

/** Auth.js with its provider type `oidc`: the issuer, the client's id and its secret, nothing else. */
export function authJs({ issuer, clientId, clientSecret, origin }) {
  const config = {
    basePath: '/auth',
    secret: 'a secret of this test alone, 32 bytes and more',
    trustHost: true,
    providers: [{ id: 'munjigi', name: 'Munjigi', type: 'oidc', issuer, clientId, clientSecret }],
  };
  return async (request, response) => {
    if (!request.url.startsWith('/auth')) return void response.end('home');
    const body = request.method === 'POST' ? await bodyOf(request) : undefined;
    const answer = await Auth(
      new Request(new URL(request.url, origin), { method: request.method, headers: headersOf(request), body }),
      config,
    );
    response.writeHead(answer.status, [...answer.headers].flat());
    response.end(await answer.text());
  };
}

/** A cookie and the type of a form are all that Auth.js reads. */
function headersOf({ headers }) {
  return Object.fromEntries(['cookie', 'content-type', 'host'].filter((name) => headers[name]).map((name) => [name, headers[name]]));
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
