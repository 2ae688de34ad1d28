/** Owns the refusals of a resource server: status, `WWW-Authenticate` header and body (RFC 6750 section 3, RFC 9728 section 5.1). */

export type Refusal = {
  status: 401 | 403 | 503;
  headers: Record<string, string>;
  body: { error: string; error_description: string };
  /** For the log of the resource server: why the token could not be checked. It is not for the client. */
  reason?: string;
};

type Attributes = { error?: string; error_description?: string; scope?: string | undefined; resource_metadata?: string | undefined };

/**
 * Refuses one request. Attributes that are undefined stay out.
 * @param attributes their values must not contain `"` or `\`.
 */
export function refuse(status: 401 | 403, attributes: Attributes): Refusal {
  const listed = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${value}"`);
  return {
    status,
    headers: {
      'WWW-Authenticate': ['Bearer', listed.join(', ')].filter(Boolean).join(' '),
      'Cache-Control': 'no-store',
    },
    body: {
      error: attributes.error ?? 'missing_token',
      error_description: attributes.error_description ?? 'send an access token in the Authorization header, as Bearer',
    },
  };
}

/** The authorization server gives no usable answer. The token may be valid, so this is no 401: a client would throw its token away. */
export function unavailable(error: unknown): Refusal {
  return {
    status: 503,
    headers: { 'Retry-After': '5' },
    body: { error: 'temporarily_unavailable', error_description: 'the token cannot be checked at the moment' },
    reason: error instanceof Error ? error.message : 'unknown',
  };
}
