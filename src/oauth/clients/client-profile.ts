/**
 * Owns the properties of a client that rules depend on: public or confidential, sender-constrained tokens, FAPI profile.
 * Does not own the rules: each is in the file that enforces it.
 */

/** The members of the library's client that are read here. */
export type ProfiledClient = {
  clientAuthMethod?: string | undefined;
  dpopBoundAccessTokens?: boolean | undefined;
  tlsClientCertificateBoundAccessTokens?: boolean | undefined;
  requirePushedAuthorizationRequests?: boolean | undefined;
  [member: string]: unknown;
};

/** The only value of the client member `fapi_profile`: FAPI 2.0 Security Profile. An operator or the client itself chooses it. */
export const FAPI_PROFILE = '2.0';

/** A public client cannot authenticate (RFC 6749 section 2.1). */
export const isPublic = ({ clientAuthMethod }: ProfiledClient): boolean => clientAuthMethod === 'none';

/** Whether access tokens of this client are always bound to a key (RFC 9449 section 5.2, RFC 8705 section 3.4). */
export const bindsTokens = ({ dpopBoundAccessTokens, tlsClientCertificateBoundAccessTokens }: ProfiledClient): boolean =>
  dpopBoundAccessTokens === true || tlsClientCertificateBoundAccessTokens === true;

/** Whether the client has the FAPI 2.0 Security Profile. */
export const hasFapiProfile = (client: ProfiledClient): boolean => client['fapi_profile'] === FAPI_PROFILE;

/** The same from metadata as registered and stored (RFC 7591 section 2). */
export const profileOf = (metadata: Record<string, unknown>): ProfiledClient => ({
  clientAuthMethod: String(metadata['token_endpoint_auth_method'] ?? 'client_secret_basic'),
  dpopBoundAccessTokens: metadata['dpop_bound_access_tokens'] === true,
  tlsClientCertificateBoundAccessTokens: metadata['tls_client_certificate_bound_access_tokens'] === true,
  requirePushedAuthorizationRequests: metadata['require_pushed_authorization_requests'] === true,
  fapi_profile: metadata['fapi_profile'],
  require_pkce: metadata['require_pkce'],
});
