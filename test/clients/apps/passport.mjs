import express from 'express';
import session from 'express-session';
import passport from 'passport';
import OAuth2Strategy from 'passport-oauth2';
import OpenIDConnectStrategy from 'passport-openidconnect';

export function passportOpenidconnect({ issuer, clientId, clientSecret, origin }, settings = {}) {
  const strategy = new OpenIDConnectStrategy(
    {
      issuer,
      authorizationURL: `${issuer}/oauth/authorize`,
      tokenURL: `${issuer}/oauth/token`,
      userInfoURL: `${issuer}/oauth/userinfo`,
      clientID: clientId,
      clientSecret,
      callbackURL: `${origin}/cb`,
      ...settings,
    },
    (_issuer, profile, done) => done(null, profile),
  );
  return appOf('openidconnect', strategy);
}

/** The API of the server is where such an app reads who has signed in. */
export function passportOauth2({ issuer, clientId, clientSecret, origin }, settings = {}) {
  const strategy = new OAuth2Strategy(
    {
      authorizationURL: `${issuer}/oauth/authorize`,
      tokenURL: `${issuer}/oauth/token`,
      clientID: clientId,
      clientSecret,
      callbackURL: `${origin}/cb`,
      ...settings,
    },
    async (accessToken, _refreshToken, _profile, done) => {
      const answer = await fetch(`${issuer}/api/user`, { headers: { authorization: `Bearer ${accessToken}` } });
      done(null, await answer.json());
    },
  );
  return appOf('oauth2', strategy);
}

function appOf(name, strategy) {
  const own = new passport.Passport();
  own.use(strategy);
  own.serializeUser((user, done) => done(null, user));
  own.deserializeUser((user, done) => done(null, user));
  const app = express();
  app.use(session({ secret: 'a secret of this test alone', resave: false, saveUninitialized: false }));
  app.use(own.session());
  app.get('/login', own.authenticate(name));
  app.get('/cb', own.authenticate(name, { failureRedirect: '/failed' }), (_request, response) => response.redirect('/'));
  app.get('/', (request, response) => response.json(request.user ?? null));
  return app;
}
