import type { Provider } from 'oidc-provider';
import { override } from '../internals.ts';
import { isRegistered } from './redirect-match.ts';

/**
 * Owns the meeting of our rules for redirect URIs and a library that has its own. Inside the library it depends on `application_type` what an
 * address may be and whether its port counts; here it depends on the address.
 */

/**
 * Registration is judged by registration-policy.ts, before the library's own checks. The library also uses its check for the unregistered
 * addresses of pushed requests, which configuration.ts does not allow.
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
