import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Log } from '../platform/log.ts';
import type { ErrorBook, LibraryError } from './error-book.ts';

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

/** The endpoints whose failures a client's owners read of. Of the others, the client or its person was told all there is to know. */
const ENDPOINTS: Partial<Record<(typeof FAILURES)[number], string>> = {
  'authorization.error': 'authorization',
  'grant.error': 'token',
  'introspection.error': 'introspection',
  'revocation.error': 'revocation',
  'userinfo.error': 'userinfo',
  'pushed_authorization_request.error': 'pushed_authorization_request',
  'device_authorization.error': 'device_authorization',
  'end_session.error': 'end_session',
};

/** What happens inside the library, joined to the request's log line, and to what the client's owners read. */
export function logEvents(provider: Provider, log: Log, errors?: ErrorBook): void {
  for (const event of FAILURES) {
    provider.on(event as 'grant.error', (ctx: KoaContextWithOIDC, error: LibraryError) => {
      const endpoint = ENDPOINTS[event];
      if (endpoint) errors?.note(ctx, endpoint, error);
      ctx.state.logged = {
        ...ctx.state.logged,
        event,
        client_id: ctx.oidc?.client?.clientId,
        error: error.error ?? error.message,
        reason: error.error_detail ?? error.error_description,
      };
    });
  }
  provider.on('server_error', (ctx, error) => {
    log.error({ event: 'server_error', request_id: ctx.state.requestId, err: error });
  });
}
