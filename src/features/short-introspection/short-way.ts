import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import querystring from 'node:querystring';
import type { Client, Provider } from 'oidc-provider';
import type { Counts } from '../../audit/counts.ts';
import type { InFront } from '../../feature.ts';
import { errorAsJson, RETRY_AFTER_SECONDS } from '../../http/boundary.ts';
import { EXPOSED_HEADERS } from '../../http/endpoints.ts';
import { readBody, replaceBody } from '../../http/form.ts';
import { hasTwoHosts, isHostOf } from '../../http/host.ts';
import { logRequest } from '../../http/request-id.ts';
import { headersOfEveryResponse } from '../../http/security-headers.ts';
import { ROUTES } from '../../oauth/routes.ts';
import { createStandingTokens, type StandingToken } from '../../oauth/store/standing-tokens.ts';
import { describeSubject, type IntrospectionResponse, mayIntrospect } from '../../oauth/tokens/introspection.ts';
import { accountFromRow } from '../../people/store.ts';
import { type Database, isUnavailable } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';

/**
 * Owns the fast path of introspection (RFC 7662), which APIs call more often than all other endpoints together.
 * It handles one opaque token and a client that authenticates by its secret. It answers before Koa, from the client cache and one
 * statement.
 * All other requests go to the library. The answers equal the library's to the byte.
 * If they differ, the library is right (test/endpoints/introspection-differential.test.ts).
 */

const MAX_BODY_BYTES = 4 * 1024;
const FORM = /^application\/x-www-form-urlencoded(; ?charset=utf-8)?$/i;
const OPAQUE_TOKEN = /^[\w-]{43}$/;
const PRINTABLE = /^[\x20-\x7e]+$/;
const KNOWN_PARAMETERS = new Set(['token', 'token_type_hint', 'client_id', 'client_secret']);

type Question = { token: string; clientId: string; clientSecret: string };

export function createShortIntrospection({
  provider,
  database,
  issuer,
  log,
  counts,
}: {
  provider: Provider;
  database: Database;
  issuer: string;
  log: Log;
  counts: Counts;
}): InFront {
  const isOurs = isHostOf(issuer);
  const allowed = mayIntrospect(issuer);
  const findStandingToken = createStandingTokens(database);
  const headers = Object.entries({
    ...headersOfEveryResponse(issuer),
    'Cache-Control': 'no-store',
    Vary: 'Origin',
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': EXPOSED_HEADERS,
    'Content-Type': 'application/json; charset=utf-8',
  }).flat();

  /** @returns the answer; undefined when the request is not the common case. @throws what the database throws. */
  async function introspect(request: IncomingMessage): Promise<IntrospectionResponse | undefined> {
    const question = await readQuestion(request);
    const caller = question && (await authenticate(provider, question));
    if (!caller) return undefined;
    const ownApi = caller['introspects'] === issuer;
    const token = await findStandingToken(question.token, ownApi);
    const asked = token && { clientId: token.client_id, kind: token.kind, aud: token.payload['aud'] as string | string[] | undefined };
    if (!asked || !(await allowed(undefined as never, caller, asked))) return { active: false };
    const answer = describe(token, issuer);
    return ownApi && token.account_id ? describeSubject(answer, token.account ? accountFromRow(token.account) : undefined) : answer;
  }

  function answerIntrospection(response: ServerResponse, started: number, body: IntrospectionResponse): void {
    counts.add('introspection', body.active ? 'active' : 'inactive');
    answer(response, started, 200, body, [], {});
  }

  function answer(response: ServerResponse, started: number, status: number, body: object, more: string[], logged: object): void {
    const requestId = randomUUID();
    const text = JSON.stringify(body);
    response.writeHead(status, [...headers, 'X-Request-Id', requestId, 'Content-Length', String(Buffer.byteLength(text)), ...more]);
    response.end(text);
    logRequest(log, { requestId, method: 'POST', path: ROUTES.introspection, status, started, logged: { ...logged, way: 'short' } });
  }

  return (request, response, otherwise) => {
    if (!isPlain(request, isOurs)) return otherwise();
    const started = performance.now();
    introspect(request).then(
      (body) => (body ? answerIntrospection(response, started, body) : otherwise()),
      (error) => {
        // A second attempt by the library would double the caller's wait during an outage.
        if (!isUnavailable(error)) return otherwise();
        const logged = { error: 'temporarily_unavailable', reason: 'database_unavailable' };
        answer(response, started, 503, errorAsJson('temporarily_unavailable'), ['Retry-After', RETRY_AFTER_SECONDS], logged);
      },
    );
  };
}

/** Whether the request has the usual form, is for our host, and has no header that changes its meaning. */
function isPlain(request: IncomingMessage, isOurs: (host: string | undefined) => boolean): boolean {
  const { url, method, headers } = request;
  return (
    url === ROUTES.introspection &&
    method === 'POST' &&
    isOurs(headers.host) &&
    !hasTwoHosts(request) &&
    !headers['content-encoding'] &&
    FORM.test(headers['content-type'] ?? '') &&
    Number(headers['content-length']) <= MAX_BODY_BYTES &&
    !headers.origin &&
    !headers['dpop'] &&
    !headers['oauth-client-attestation'] &&
    !headers['oauth-client-attestation-pop']
  );
}

/** @returns the token and the credentials when the request has the usual form. The body stays readable for the library. */
async function readQuestion(request: IncomingMessage): Promise<Question | undefined> {
  const body = await readBody(request);
  replaceBody(request, body);
  const parameters = querystring.parse(body.toString('utf8'));
  for (const name in parameters)
    if (!KNOWN_PARAMETERS.has(name) || typeof parameters[name] !== 'string' || !parameters[name]) return undefined;
  const { token, client_id, client_secret } = parameters as Record<string, string | undefined>;
  if (!token || !OPAQUE_TOKEN.test(token)) return undefined;
  const basic = request.headers.authorization;
  if (basic === undefined) return client_id && client_secret ? { token, clientId: client_id, clientSecret: client_secret } : undefined;
  const credentials = client_secret === undefined ? basicCredentials(basic) : undefined;
  if (!credentials || (client_id !== undefined && client_id !== credentials.clientId)) return undefined;
  return { token, ...credentials };
}

/** Accepts credentials in their one canonical encoding only (RFC 6749 section 2.3.1, RFC 7617). */
function basicCredentials(header: string): { clientId: string; clientSecret: string } | undefined {
  const encoded = /^basic ([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (!encoded) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) return undefined;
  const [id, secret, ...more] = bytes.toString('latin1').split(':');
  if (!id || !secret || more.length) return undefined;
  try {
    const [clientId, clientSecret] = [id, secret].map((part) => decodeURIComponent(part.replaceAll('+', '%20'))) as [string, string];
    return PRINTABLE.test(clientId) && PRINTABLE.test(clientSecret) ? { clientId, clientSecret } : undefined;
  } catch {
    return undefined;
  }
}

async function authenticate(provider: Provider, { clientId, clientSecret }: Question): Promise<Client | undefined> {
  const client = await provider.Client.find(clientId);
  if (!client || client.clientSecretExpiresAt || !['client_secret_basic', 'client_secret_post'].includes(String(client.clientAuthMethod)))
    return undefined;
  return (client as unknown as { compareClientSecret(secret: string): boolean }).compareClientSecret(clientSecret) ? client : undefined;
}

/** The members are in the library's order. JSON omits undefined ones. */
function describe({ kind, client_id, account_id, exp, payload }: StandingToken, issuer: string): IntrospectionResponse {
  const { extra, iat, sid, aud, scope, jkt } = payload as Record<string, string> & { extra?: object };
  return {
    active: true,
    sub: account_id ?? client_id,
    ...extra,
    client_id,
    exp,
    iat,
    sid,
    iss: issuer,
    aud,
    scope: scope || undefined,
    cnf: jkt ? { jkt } : undefined,
    token_type: kind === 'RefreshToken' ? undefined : jkt ? 'DPoP' : 'Bearer',
  };
}
