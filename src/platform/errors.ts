/**
 * An expected refusal with two voices: `code` selects the public, translated sentence; `reason` goes to the log only. http/boundary.ts
 * alone writes it to the response.
 */
export class AppError extends Error {
  readonly code: string;
  readonly status: number;
  readonly reason: string;
  /** After how long the client may try again, for a temporary refusal. */
  readonly retryAfterSeconds: number | undefined;
  /** Values for the placeholders of the public sentence. */
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
 * The database cannot answer now. It has the members that oidc-provider's error handler reads (`expose`, `statusCode`,
 * `error_description`). So a lost database is 503 `temporarily_unavailable` at every endpoint, never `invalid_grant`. @see RFC 6749 section
 * 4.1.2.1
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
