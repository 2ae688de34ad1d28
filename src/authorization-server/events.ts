import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Log } from '../platform/log.ts';

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

/** What happens inside the library, joined to the request's log line. The private detail goes there and nowhere else. */
export function logEvents(provider: Provider, log: Log): void {
  for (const event of FAILURES) {
    provider.on(
      event as 'grant.error',
      (ctx: KoaContextWithOIDC, error: Error & { error?: string; error_detail?: string; error_description?: string }) => {
        ctx.state.logged = {
          ...ctx.state.logged,
          event,
          client_id: ctx.oidc?.client?.clientId,
          error: error.error ?? error.message,
          reason: error.error_detail ?? error.error_description,
        };
      },
    );
  }
  provider.on('server_error', (ctx, error) => {
    log.error({ event: 'server_error', request_id: ctx.state.requestId, err: error });
  });
}
