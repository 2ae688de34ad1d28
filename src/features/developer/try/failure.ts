import { causeOf } from '../errors/error-causes.ts';

/**
 * Owns why a trial failed. The answer says less than the list of recent errors, which has the server's internal reason. What the answer leaves
 * open follows from how the portal sends its requests: it uses the registered authentication method, and a code at once.
 */

export type Failure = { error: string; description: string | undefined; cause: string | undefined };

const BY_ERROR: Record<string, string> = { invalid_client: 'secret', invalid_grant: 'code_unknown' };

/** @param answer an error response of the authorization or token endpoint; untrusted text, shortened for the page. */
export function failureOf(answer: { error?: unknown; error_description?: unknown }): Failure {
  const error = typeof answer.error === 'string' ? shortened(answer.error) : 'server_error';
  const description = typeof answer.error_description === 'string' ? shortened(answer.error_description) : undefined;
  return { error, description, cause: causeOf({ error, description: description ?? null, detail: {} }) ?? BY_ERROR[error] };
}

const shortened = (text: string) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 300);
