import type { Context, Next } from 'koa';
import type { Endpoint, EndpointAt } from '../http/endpoints.ts';
import { MINUTE } from '../platform/clock.ts';
import { ROUTES } from './routes.ts';

/**
 * Owns which addresses are the protocol's, and what each takes. The library's router takes any case of a letter, and a slash at the end, for the same
 * address; what stands around it here (limits, checks, what is hidden from an answer) goes by the path and would be walked around by
 * another spelling. So an address has one.
 */

/**
 * How long copies of the metadata and keys may be kept. A key is published for longer than that before it signs
 * (PUBLISHED_BEFORE_SECONDS in keys/signing-keys.ts). After a leak, copies name the deleted keys for no longer than this.
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

/** Those with one more segment: an interaction to resume, a client, a device's next step. */
const FAMILIES = new Map<string, Endpoint>([
  [ROUTES.authorization, STEP],
  [ROUTES.code_verification, STEP],
  [ROUTES.registration, { methods: [...READ, 'PUT', 'DELETE'], forPrograms: true, readers: 'everyone' }],
]);

function addressed(path: string): Endpoint | undefined {
  const [, family = '', segment] = /^(.+)\/([^/]+)$/.exec(path) ?? [];
  return ENDPOINTS.get(path) ?? (segment ? FAMILIES.get(family) : undefined);
}

/** @param registrable whether clients may register: if not, those addresses are not there, but what asks for them is a program still. */
export function protocolEndpoint(registrable: boolean): EndpointAt {
  return (path) => {
    const endpoint = addressed(path);
    if (!registrable && path.startsWith(ROUTES.registration)) return { forPrograms: true, readers: 'everyone' };
    // A misspelled address of a program's is a program's too. People come to the authorization endpoint and to sign out.
    if (!endpoint && /^\/(oauth|\.well-known\/(oauth|openid)-)/.test(path) && !/^\/oauth\/(authorize|logout)/.test(path))
      return { forPrograms: true, readers: 'everyone' };
    return endpoint;
  };
}

/** Lets a request on to the library if its address is written as it is in the metadata; any other is not found. */
export function onlyExactAddresses(ctx: Context, next: Next): Promise<void> | undefined {
  return addressed(ctx.path) ? next() : undefined;
}
