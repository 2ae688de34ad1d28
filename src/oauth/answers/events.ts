import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { CountName, Counts } from '../../audit/counts.ts';
import type { Log } from '../../platform/log.ts';
import { isAnsweredAgain } from '../tokens/second-use.ts';

export type LibraryError = Error & { error?: string; error_detail?: string; error_description?: string };

const FAILURES = [
  'authorization.error',
  'grant.error',
  'introspection.error',
  'revocation.error',
  'userinfo.error',
  'registration_create.error',
  'registration_update.error',
  'registration_read.error',
  'registration_delete.error',
  'pushed_authorization_request.error',
  'device_authorization.error',
  'code_verification.error',
  'device_resume.error',
  'end_session.error',
  'end_session_confirm.error',
  'end_session_success.error',
] as const;

/** Events of success, with the name and kind that they are counted under. */
const SUCCESSES: Record<string, [CountName, (ctx: KoaContextWithOIDC) => string]> = {
  'grant.success': ['token', ({ oidc }) => String(oidc.params?.['grant_type'])],
  'authorization.success': ['authorization', () => 'success'],
  'registration_create.success': ['registration', () => 'success'],
};

/**
 * Connects the library's events to the request's log line and to the counters.
 * The private detail goes to the log only.
 */
export function logEvents(provider: Provider, log: Log, counts: Counts): void {
  for (const event of FAILURES) {
    provider.on(event as 'grant.error', (ctx: KoaContextWithOIDC, error: LibraryError) => {
      if (isAnsweredAgain(ctx)) return counts.add('token', 'refresh_token');
      ctx.state.logged = {
        ...ctx.state.logged,
        event,
        client_id: ctx.oidc?.client?.clientId,
        error: error.error ?? error.message,
        reason: error.error_detail ?? error.error_description,
      };
      counts.add('error', error.error);
    });
  }
  for (const [event, [name, kind]] of Object.entries(SUCCESSES))
    provider.on(event as 'grant.success', (ctx: KoaContextWithOIDC) => counts.add(name, kind(ctx)));
  provider.on('server_error', (ctx, error) => {
    counts.add('error', 'server_error');
    log.error({ event: 'server_error', request_id: ctx.state.requestId, err: error });
  });
}
