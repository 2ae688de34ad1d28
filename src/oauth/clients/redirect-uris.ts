import type { Provider } from 'oidc-provider';
import { override } from '../internals.ts';
import { isRegistered } from './redirect-match.ts';

/**
 * Owns the connection between our rules for redirect URIs and the library's. In the library, `application_type` decides which addresses are
 * valid and whether the port counts. Here the address decides it.
 */

/**
 * registration-policy.ts checks registrations before the library does. The library also uses its check for unregistered redirect URIs of
 * pushed requests, which configuration.ts does not allow.
 */
export function decideRedirectUris(provider: Provider): void {
  const { issuer } = provider;
  override(provider, 'Schema.redirectUris', () => () => {});
  override(
    provider,
    'Client.redirectUriAllowed',
    () =>
      function (uri) {
        return isRegistered(uri, this.redirectUris ?? [], issuer);
      },
  );
  override(
    provider,
    'Client.postLogoutRedirectUriAllowed',
    () =>
      function (uri) {
        return isRegistered(uri, this.postLogoutRedirectUris ?? [], issuer);
      },
  );
}
