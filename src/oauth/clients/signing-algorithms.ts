/**
 * Owns which algorithms this server signs with. An API chooses one for its JWT access tokens, a client one for its ID tokens.
 * Does not own the keys: see oauth/keys.
 */

/** RS256 first: it is the default for ID tokens, and every client library verifies it (OIDC Core section 15.1). */
export const SIGNING_ALGORITHMS = ['RS256', 'ES256', 'PS256', 'EdDSA'] as const;
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** The default of an API: the smallest signature that gateways verify. */
export const DEFAULT_JWT_ALGORITHM: SigningAlgorithm = 'ES256';

/** The `typ` header of JWT access tokens: RFC 9068 section 2.1, and the one that Spring Security's resource server expects. */
export const JWT_TYPES = ['at+jwt', 'JWT'] as const;
export type JwtType = (typeof JWT_TYPES)[number];

/** How an API's JWT access tokens are signed. */
export type JwtChoices = { jwtAlgorithm: SigningAlgorithm; jwtType: JwtType };

export const DEFAULT_JWT_CHOICES: JwtChoices = { jwtAlgorithm: DEFAULT_JWT_ALGORITHM, jwtType: 'at+jwt' };
