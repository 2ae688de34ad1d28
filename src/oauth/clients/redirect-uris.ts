import type { Provider } from 'oidc-provider';
import { isRegistered } from './redirect-match.ts';

/**
 * Owns the meeting of our rules for redirect URIs and a library that has its own. Inside the library it depends on `application_type` what an
 * address may be and whether its port counts; here it depends on the address.
 */

/** What is overridden, by the members that the library's types leave out (undocumented; tests hold them). */
type Overridden = {
  Schema: { prototype: { redirectUris(): void } };
  prototype: {
    redirectUriAllowed(this: { redirectUris?: string[] }, uri: unknown): boolean;
    postLogoutRedirectUriAllowed(this: { postLogoutRedirectUris?: string[] }, uri: unknown): boolean;
  };
};

/**
 * Registration is judged by registration-policy.ts, before the library's own checks. The library also uses its check for the unregistered
 * addresses of pushed requests, which configuration.ts does not allow.
 */
export function decideRedirectUris(provider: Provider): void {
  const { Schema, prototype } = provider.Client as unknown as Overridden;
  Schema.prototype.redirectUris = () => {};
  prototype.redirectUriAllowed = function (uri) {
    return isRegistered(uri, this.redirectUris ?? [], provider.issuer);
  };
  prototype.postLogoutRedirectUriAllowed = function (uri) {
    return isRegistered(uri, this.postLogoutRedirectUris ?? [], provider.issuer);
  };
}
