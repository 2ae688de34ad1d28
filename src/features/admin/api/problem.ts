import Koa, { type Context, type Next } from 'koa';
import { RETRY_AFTER_SECONDS } from '../../../http/boundary.ts';
import type { FieldProblem, Outcome, Reason } from '../../../pages/operators/act.ts';
import { isUnavailable } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import type { Log } from '../../../platform/log.ts';

/** Owns the admin API's errors: always problem details (RFC 9457), written in one place, never a page. */

type Kind = { status: number; title: string };

/** All problems of the API; its document lists them. */
export const PROBLEMS = {
  invalid_request: { status: 400, title: 'The request is malformed' },
  invalid_cursor: { status: 400, title: 'The cursor does not belong to this list' },
  idempotency_key_missing: { status: 400, title: 'This request creates something and needs an Idempotency-Key' },
  missing_token: { status: 401, title: 'Send an access token in the Authorization header' },
  invalid_token: { status: 401, title: 'The access token is not valid here' },
  insufficient_user_authentication: { status: 401, title: 'This needs an operator who signed in with two factors' },
  insufficient_scope: { status: 403, title: 'The access token lacks a scope' },
  above: { status: 403, title: 'This needs more rights than you have' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  own_account: { status: 409, title: 'You cannot do this to your own account' },
  last_admin: { status: 409, title: 'This would remove the last admin' },
  last_owner: { status: 409, title: 'This would remove the last owner of the client' },
  own_client: { status: 409, title: 'The client is one that this server cannot do without' },
  own_resource_server: { status: 409, title: 'The API belongs to this server' },
  taken: { status: 409, title: 'An account with this address already exists' },
  ambiguous: { status: 409, title: 'The handle matches more than one token: end their grants instead' },
  changed: { status: 409, title: 'It has changed in the meantime: read it again' },
  under_way: { status: 409, title: 'A request with this Idempotency-Key is still running' },
  answer_lost: { status: 409, title: 'The request succeeded, but the answer for this Idempotency-Key was lost: read the current state' },
  request_too_large: { status: 413, title: 'The request is too large' },
  unknown_host: { status: 421, title: 'This server does not answer for that host' },
  compressed_body: { status: 415, title: 'The body must not be compressed' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  invalid_input: { status: 422, title: 'The input is not valid' },
  idempotency_key_reused: { status: 422, title: 'This Idempotency-Key belongs to another request' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  server_error: { status: 500, title: 'The server failed' },
  temporarily_unavailable: { status: 503, title: 'The server is temporarily unavailable' },
} satisfies Record<string, Kind>;

export type ProblemCode = keyof typeof PROBLEMS;

type More = { detail?: string; errors?: FieldProblem[]; headers?: Record<string, string> };

/** An error that the boundary writes as problem details. */
export class ApiProblem extends Error {
  readonly code: ProblemCode;
  readonly more: More;

  constructor(code: ProblemCode, more: More = {}) {
    super(code);
    this.name = 'ApiProblem';
    this.code = code;
    this.more = more;
  }
}

/** @returns the result of a successful act. @throws ApiProblem for a refused one. */
export function resultOf<Result>(outcome: Outcome<Result>): Result {
  if (outcome.ok) return outcome.result;
  throw new ApiProblem(codeOf(outcome.reason), outcome.problems ? { errors: outcome.problems } : {});
}

function codeOf(reason: Reason): ProblemCode {
  switch (reason) {
    case 'forbidden':
      return 'insufficient_scope';
    case 'unknown':
      return 'not_found';
    case 'invalid':
      return 'invalid_input';
    default:
      return reason;
  }
}

/** The API's error boundary: every error ends here. An unknown error becomes 500 and reveals nothing about its cause. */
export function problems(issuer: string, log: Log) {
  return async (ctx: Context, next: Next) => {
    try {
      await next();
    } catch (error) {
      const { code, more, reason } = describe(error);
      const { status } = PROBLEMS[code];
      ctx.state.logged = { ...ctx.state.logged, error: code, reason };
      if (status === 500) log.error({ event: 'unexpected_error', request_id: ctx.state.requestId, err: error });
      write(ctx, issuer, code, more);
    }
  };
}

/** @returns the address in the API's document that describes a problem. */
export const problemType = (issuer: string, code: ProblemCode): string => `${issuer}/admin/api/v1/openapi.json#/x-problems/${code}`;

function write(ctx: Context, issuer: string, code: ProblemCode, { detail, errors, headers = {} }: More): void {
  const { status, title } = PROBLEMS[code];
  ctx.status = status;
  ctx.set({ ...(status === 503 ? { 'Retry-After': RETRY_AFTER_SECONDS } : undefined), ...headers, 'Cache-Control': 'no-store' });
  // The request id, which also identifies entries of the log and of the audit log.
  const instance = `urn:uuid:${ctx.state.requestId}`;
  ctx.body = JSON.stringify({ type: problemType(issuer, code), title, status, ...(detail ? { detail } : undefined), instance, errors });
  ctx.type = 'application/problem+json';
}

function describe(error: unknown): { code: ProblemCode; more: More; reason: string } {
  if (error instanceof ApiProblem) return { code: error.code, more: error.more, reason: error.more.detail ?? error.code };
  if (isUnavailable(error)) return { code: 'temporarily_unavailable', more: {}, reason: 'database_unavailable' };
  if (error instanceof AppError) return describeRefusal(error);
  if (error instanceof Koa.HttpError && error.status < 500) return { code: 'invalid_request', more: {}, reason: error.message };
  return { code: 'server_error', more: {}, reason: error instanceof Error ? error.name : 'unknown' };
}

/** @returns the problem for an error of the code below the API. */
function describeRefusal({ code, status, reason, retryAfterSeconds }: AppError): { code: ProblemCode; more: More; reason: string } {
  const headers = retryAfterSeconds ? { headers: { 'Retry-After': String(retryAfterSeconds) } } : {};
  if (status === 429) return { code: 'too_many_requests', more: headers, reason };
  const known = Object.hasOwn(PROBLEMS, code) && PROBLEMS[code as ProblemCode].status === status;
  return { code: known ? (code as ProblemCode) : status < 500 ? 'invalid_request' : 'server_error', more: headers, reason };
}
