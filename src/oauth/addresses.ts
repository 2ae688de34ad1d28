import type { Context, Next } from 'koa';
import type { Endpoint, EndpointAt } from '../http/endpoints.ts';
import { MINUTE } from '../platform/clock.ts';
import { ROUTES } from './routes.ts';

/**
 * Owns the paths of the protocol and their methods. The library's router ignores case and a trailing slash.
 * The middleware around it (limits, checks, filters) compares paths exactly, so another spelling would bypass it. Therefore each path has
 * one spelling.
 */

/**
 * How long clients may cache the metadata and the keys. A key is published for longer than that before it signs
 * (PUBLISHED_BEFORE_SECONDS in keys/signing-keys.ts). After a leak, caches name the deleted keys for no longer than this.
 */
export const KEPT_SECONDS = 5 * MINUTE;

const READ = ['GET', 'HEAD'];

const DOCUMENT: Endpoint = { methods: READ, forPrograms: true, readers: 'everyone', maxAgeSeconds: KEPT_SECONDS };
const BY_CLIENT: Endpoint = { methods: ['POST'], forPrograms: true, readers: 'client' };
// OIDC Core 3.1.2.1, RP-Initiated Logout 2: GET and POST.
const PAGE: Endpoint = { methods: [...READ, 'POST'] };
const STEP: Endpoint = { methods: READ };

const ENDPOINTS = new Map<string, Endpoint>([
  ['/.well-known/openid-configuration', DOCUMENT],
  ['/.well-known/oauth-authorization-server', DOCUMENT],
  [ROUTES.jwks, DOCUMENT],
  [ROUTES.token, BY_CLIENT],
  [ROUTES.introspection, BY_CLIENT],
  [ROUTES.revocation, BY_CLIENT],
  [ROUTES.pushed_authorization_request, BY_CLIENT],
  [ROUTES.device_authorization, BY_CLIENT],
  [ROUTES.userinfo, { ...BY_CLIENT, methods: [...READ, 'POST'] }], // OIDC Core 5.3.1
  [ROUTES.registration, { methods: ['POST'], forPrograms: true, readers: 'everyone' }],
  [ROUTES.authorization, PAGE],
  [ROUTES.code_verification, PAGE],
  [ROUTES.end_session, PAGE],
  [`${ROUTES.end_session}/confirm`, { methods: ['POST'] }],
  [`${ROUTES.end_session}/success`, STEP],
]);

/** Paths with one more segment: an interaction to resume, a registered client, the next step of a device. */
const FAMILIES = new Map<string, Endpoint>([
  [ROUTES.authorization, STEP],
  [ROUTES.code_verification, STEP],
  [ROUTES.registration, { methods: [...READ, 'PUT', 'DELETE'], forPrograms: true, readers: 'everyone' }],
]);

function addressed(path: string): Endpoint | undefined {
  const [, family = '', segment] = /^(.+)\/([^/]+)$/.exec(path) ?? [];
  return ENDPOINTS.get(path) ?? (segment ? FAMILIES.get(family) : undefined);
}

/** @param registrable whether clients may register. If not, the registration paths answer 404, but still as JSON for programs. */
export function protocolEndpoint(registrable: boolean): EndpointAt {
  return (path) => {
    const endpoint = addressed(path);
    if (!registrable && path.startsWith(ROUTES.registration)) return { forPrograms: true, readers: 'everyone' };
    // A misspelled path of a program gets an error for programs too. Only the authorization and sign-out endpoints have users.
    if (!endpoint && /^\/(oauth|\.well-known\/(oauth|openid)-)/.test(path) && !/^\/oauth\/(authorize|logout)/.test(path))
      return { forPrograms: true, readers: 'everyone' };
    return endpoint;
  };
}

/** Passes a request to the library only if its path is spelled as in the metadata. Any other path is not found. */
export function onlyExactAddresses(ctx: Context, next: Next): Promise<void> | undefined {
  return addressed(ctx.path) ? next() : undefined;
}
