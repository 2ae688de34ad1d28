import express from 'express';
import NextAuthModule from 'next-auth';

const NextAuth = NextAuthModule.default ?? NextAuthModule;

/** NextAuth 4 as an API route: Express gives what a route of Next.js has (`query.nextauth`, `cookies`, `body`). */
export function nextAuth({ issuer, clientId, clientSecret, origin }) {
  process.env.NEXTAUTH_URL = origin;
  const options = {
    secret: 'a secret of this test alone',
    providers: [
      {
        id: 'munjigi',
        name: 'Munjigi',
        type: 'oauth',
        wellKnown: `${issuer}/.well-known/openid-configuration`,
        authorization: { params: { scope: 'openid email profile' } },
        idToken: true,
        clientId,
        clientSecret,
        profile: ({ sub, name, email }) => ({ id: sub, name, email }),
      },
    ],
  };
  const app = express();
  app.all('/api/auth/*nextauth', express.urlencoded({ extended: false }), (request, response) => {
    const query = { ...request.query, nextauth: request.params.nextauth };
    const cookies = Object.fromEntries(
      (request.headers.cookie ?? '').split('; ').map((pair) => [pair.split('=')[0], decodeURIComponent(pair.slice(pair.indexOf('=') + 1))]),
    );
    return NextAuth(Object.defineProperties(request, { query: { value: query }, cookies: { value: cookies } }), response, options);
  });
  app.get('/', (_request, response) => response.send('home'));
  return app;
}
