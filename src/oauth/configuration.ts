import type { Configuration, JWKS } from 'oidc-provider';
import { LANGUAGES } from '../http/language.ts';
import { CLAIMS_OF_SCOPE } from '../people/claims.ts';
import { createGuardedFetch } from '../platform/outgoing.ts';
import { createAdapterFactory } from './adapter.ts';
import { renderProtocolError, renderSignedOut, renderSignOut } from './answers/pages.ts';
import type { App } from './app.ts';
import { corsOrigins } from './clients/browser-clients.ts';
import type { ClientCache } from './clients/cache.ts';
import { ASSERTION_ALGORITHMS, CLOCK_LEEWAY_SECONDS } from './clients/client-assertions.ts';
import { createRegistrationPolicy, placesOf } from './clients/metadata/registration-policy.ts';
import { withKnownScopes } from './clients/metadata/stored-scopes.ts';
import { createLoadExistingGrant } from './consent/existing-grant.ts';
import type { ProtocolApp, ProtocolFeature } from './feature.ts';
import { createInteractionPolicy } from './interaction-policy.ts';
import { acceptWithoutPkce } from './requests/pkce-policy.ts';
import { requestParameters, useGrantedResource } from './requests/settle-request.ts';
import { ROUTES } from './routes.ts';
import { createFindAccount } from './session/accounts.ts';
import { ACR_VALUES, assertReachable, strengthClaims } from './session/strength.ts';
import { mayIntrospect, mayRevoke } from './tokens/introspection.ts';
import { completeJwt, createJwtAccessTokens } from './tokens/jwt-access-tokens.ts';
import { rotatesRefreshToken } from './tokens/refresh-policy.ts';
import { expiresWithSession, issueRefreshToken, revokeGrantPolicy, ttl } from './tokens/token-policy.ts';

/** The whole protocol as one table: what is on, by which standard, and why. Each line names the file that implements it. */
export function createConfiguration({
  config,
  database,
  keyRing,
  clients,
  names,
  jwks,
  resources,
  features,
}: ProtocolApp &
  Pick<App<ProtocolFeature>, 'names' | 'features'> & {
    clients: ClientCache;
    jwks: JWKS;
  }): Configuration {
  const secure = config.issuer.startsWith('https:');
  const app = { config, database, keyRing, resources };
  const policy = createInteractionPolicy(app, features);
  return {
    adapter: createAdapterFactory(
      database,
      clients,
      features.map((feature) => ({ ...feature, stores: feature.stores?.({ config, database }) })),
      createJwtAccessTokens({
        ...{ database, clients, jwks, issuer: config.issuer, userinfo: `${config.issuer}${ROUTES.userinfo}` },
        servers: resources.servers,
      }),
    ),
    routes: ROUTES,
    jwks,
    findAccount: createFindAccount(database),
    loadExistingGrant: createLoadExistingGrant(database), //        consent belongs to the user, not to a browser
    renderError: renderProtocolError(database),
    interactions: { policy, url: (_ctx, { uid }) => `/interaction/${uid}` },

    // What a client may ask for
    responseTypes: ['code'], //                                     RFC 9700 2.1.2: no implicit, no hybrid
    pkce: { required: acceptWithoutPkce(config.pkce) }, //          RFC 7636, RFC 9700 2.1.1; the library supports S256 only
    allowOmittingSingleRegisteredRedirectUri: false, //             OIDC Core 3.1.2.1: always required, always compared
    scopes: [...resources.scopes], //                               RFC 6749 3.3: scopes of every resource server; they change at run time: internals.ts
    extraParams: requestParameters(resources.completeScope), //     RFC 6749 3.3: the scopes that scope-rules.ts settled; otherwise standard parameters only
    conformIdTokenClaims: false, //                                 OIDC Core 5.4 allows claims in the ID token too: most client libraries read no others
    claims: { ...CLAIMS_OF_SCOPE, openid: [...(CLAIMS_OF_SCOPE['openid'] ?? []), 'acr', 'amr', 'auth_time'] }, // OIDC Core 5.4; 2: how the user signed in
    acrValues: ACR_VALUES, //                                       RFC 9470 5: step-up, see strength.ts
    subjectTypes: ['public'], //                                    OIDC Core 8: one subject identifier per user
    // RFC 7591 2: our checks run before the library's
    extraClientMetadata: withKnownScopes(createRegistrationPolicy({ names, ...placesOf(config) }), () => resources.scopes),

    // How clients authenticate
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'], // no client_secret_jwt: secrets are hashed
    enabledJWA: { clientAuthSigningAlgValues: ASSERTION_ALGORITHMS }, // RFC 7523 3; what an assertion must say: client-assertions.ts
    clientBasedCORS: corsOrigins,

    // What this server issues, and for how long
    ttl,
    rotateRefreshToken: rotatesRefreshToken, //                     RFC 9700 4.14.2: refresh-policy.ts; a second use: second-use.ts
    issueRefreshToken,
    expiresWithSession,
    revokeGrantPolicy: revokeGrantPolicy(database), //              RFC 7009 2.1: ends one sign-in and keeps the consent
    formats: { customizers: { jwt: completeJwt(resources.servers) } }, // RFC 9068: the records behind a JWT, and the type its API chose
    extraTokenClaims: strengthClaims, //                            RFC 9470 6, RFC 9068 2.2.1: an API can ask for a step-up
    clockTolerance: CLOCK_LEEWAY_SECONDS, //                        FAPI 2.0 5.3.2.1: between our nodes and a client's clock

    features: {
      devInteractions: { enabled: false }, //                       this server has its own pages: src/sign-in
      clientCredentials: { enabled: true }, //                      RFC 6749 4.4
      introspection: { enabled: true, allowedPolicy: mayIntrospect(config.issuer) }, // RFC 7662
      revocation: { enabled: true, allowedPolicy: mayRevoke }, //   RFC 7009
      pushedAuthorizationRequests: { enabled: true }, //            RFC 9126
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: resources.getResourceServerInfo,
        defaultResource: resources.defaultResource,
        useGrantedResource,
      }, // RFC 8707, RFC 9068
      dPoP: { enabled: true }, //                                   RFC 9449
      userinfo: { enabled: true }, //                               OIDC Core 5.3
      claimsParameter: { enabled: true, assertClaimsParameter: assertReachable }, // OIDC Core 5.5, decided on the consent page
      rpInitiatedLogout: { enabled: true, logoutSource: renderSignOut, postLogoutSuccessSource: renderSignedOut },
      ...Object.assign({}, ...features.map((feature) => feature.libraryFeatures?.(app))), // the features of src/features.ts
    },
    discovery: {
      ui_locales_supported: [...LANGUAGES],
      // Initiating User Registration 1.0, section 4.2: clients learn that they may ask for `create`.
      prompt_values_supported: ['none', ...policy.filter(({ requestable }) => requestable).map(({ name }) => name)],
    },

    // Browsers and networks
    cookies: {
      keys: config.cookieKeys,
      // A __Host- cookie applies to the whole host. The other two cookies apply to one interaction's path.
      names: secure
        ? { session: '__Host-session', interaction: '__Secure-interaction', resume: '__Secure-resume' }
        : { session: 'session', interaction: 'interaction', resume: 'resume' },
      long: { httpOnly: true, sameSite: 'lax', signed: true, path: '/' },
      short: { httpOnly: true, sameSite: 'lax', signed: true },
    },
    fetch: createGuardedFetch({ openings: config.outgoingAllow }),
    fetchResponseBodyLimits: { jwks_uri: 64 * 1024, sector_identifier_uri: 64 * 1024 },
  } as Configuration;
}
