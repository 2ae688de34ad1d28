import express from 'express';
import openidConnect from 'express-openid-connect';

/** @param settings beyond the four that its README names. */
export function expressOpenidConnect({ issuer, clientId, origin }, settings = {}) {
  const app = express();
  app.use(
    openidConnect.auth({
      issuerBaseURL: issuer,
      baseURL: origin,
      clientID: clientId,
      secret: 'a secret of this test alone, 32 bytes and more',
      idpLogout: true,
      ...settings,
    }),
  );
  app.get('/', (request, response) => response.json(request.oidc.user));
  app.use((error, _request, response, _next) => response.status(400).send(error.error_description));
  return app;
}
