/**
 * An expected refusal with two voices: `code` picks the public, translated sentence; `reason` is for the log alone.
 * Written to the wire in one place, http/boundary.ts.
 */
export class AppError extends Error {
  readonly code: string;
  readonly status: number;
  readonly reason: string;
  /** When trying again makes sense, for a refusal that passes. */
  readonly retryAfterSeconds: number | undefined;
  /** What the public sentence names. */
  readonly values: Record<string, string | number>;

  constructor(
    code: string,
    options: { status: number; reason?: string; cause?: unknown; retryAfterSeconds?: number; values?: Record<string, string | number> },
  ) {
    super(options.reason ?? code, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = options.status;
    this.reason = options.reason ?? code;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.values = options.values ?? {};
  }
}

/**
 * The database cannot answer now. It carries what oidc-provider's own error handler reads (`expose`, `statusCode`,
 * `error_description`), so a lost database is 503 `temporarily_unavailable` at every endpoint, never `invalid_grant`.
 * @see RFC 6749 section 4.1.2.1
 */
export class DatabaseUnavailable extends AppError {
  readonly expose = true;
  readonly statusCode = 503;
  readonly error = 'temporarily_unavailable';
  readonly error_description = 'the server cannot answer at the moment, try again shortly';
  readonly allow_redirect = true;

  constructor(cause: unknown) {
    super('temporarily_unavailable', {
      status: 503,
      reason: cause instanceof Error ? cause.message : 'database_unavailable',
      cause,
    });
    this.message = this.error;
  }
}
