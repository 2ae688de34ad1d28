import { API, basic, CLIENT } from '../fixtures.ts';
import type { Dialect } from '../operations.ts';

/** How ours is spoken to, and the library with our configuration. */
export const DIALECT: Dialect = {
  paths: { token: '/oauth/token', introspection: '/oauth/introspect', revocation: '/oauth/revoke', userinfo: '/oauth/userinfo' },
  client: basic(CLIENT),
  api: basic(API),
  redirectUri: CLIENT.redirect_uris[0] as string,
  clientScope: 'api',
};
