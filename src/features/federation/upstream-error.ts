import * as client from 'openid-client';
import type { UpstreamProvider } from './providers.ts';

/** Owns the three kinds of upstream errors, so that callers need not know the library's errors. */

/**
 * `refused`: the provider answered with an OAuth error. `unavailable`: it did not answer, or is busy. `untrustworthy`: its answer failed a
 * check.
 */
export class UpstreamError extends Error {
  readonly kind: 'refused' | 'unavailable' | 'untrustworthy';
  /** The error code of a refusal, such as `access_denied`. */
  readonly code: string | undefined;
  /** The provider that answered, once a visit had begun. */
  provider: Pick<UpstreamProvider, 'id' | 'name'> | undefined;

  constructor(kind: UpstreamError['kind'], cause: unknown, code?: string) {
    super(`upstream ${kind}${code ? ` ${code}` : ''}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'UpstreamError';
    this.kind = kind;
    this.code = code;
  }
}

/** @returns any thrown value as an UpstreamError. */
export function judged(error: unknown): UpstreamError {
  if (error instanceof UpstreamError) return error;
  if (error instanceof client.AuthorizationResponseError)
    return new UpstreamError(BUSY.has(error.error) ? 'unavailable' : 'refused', error, error.error);
  if (error instanceof client.ResponseBodyError)
    return new UpstreamError(
      error.status >= 500 || error.status === 429 || BUSY.has(error.error) ? 'unavailable' : 'refused',
      error,
      error.error,
    );
  const causes = causesOf(error);
  const answer = causes.find((cause): cause is Response => cause instanceof Object && 'status' in cause && 'headers' in cause);
  if (answer) return new UpstreamError(answer.status >= 500 || answer.status === 429 ? 'unavailable' : 'untrustworthy', error);
  const codes = causes.map((cause) => (cause as { code?: string; name?: string })?.code ?? (cause as { name?: string })?.name ?? '');
  const lost = codes.some((code) =>
    /^(ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EPIPE|UND_ERR_(CONNECT|HEADERS|BODY|SOCKET)|OAUTH_(TIMEOUT|ABORT)|TimeoutError|AbortError)/.test(
      code,
    ),
  );
  return new UpstreamError(lost ? 'unavailable' : 'untrustworthy', error);
}

const BUSY = new Set(['server_error', 'temporarily_unavailable']);

function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let at = error; at && causes.length < 10; at = (at as { cause?: unknown }).cause) causes.push(at);
  return causes;
}
