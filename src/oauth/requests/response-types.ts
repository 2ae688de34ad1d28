import { type Client, errors, type Provider } from 'oidc-provider';
import { override } from '../internals.ts';

/** Owns the error for a client that uses the implicit or hybrid flow, which this server does not support (RFC 9700 section 2.1.2). */

const SENTENCE =
  "set response_type to code in the client's settings (response_type, responseType or flow; with PKCE if it is public): " +
  'the implicit and hybrid flows are not supported, RFC 9700 section 2.1.2';

/**
 * Makes the library name the setting to change. The check runs before that of the response mode. Those flows do not allow `query`, so the client
 * would get an error about the mode instead. The library sends the error only to a registered redirect URI.
 * It uses the requested response mode, or the flow's default.
 */
export function explainResponseTypes(provider: Provider): void {
  override(
    provider,
    'Client.responseModeAllowed',
    (responseModeAllowed) =>
      function (this: Client, mode, responseType, ...rest) {
        if (typeof responseType === 'string' && responseType.split(' ').some((type) => type !== 'code'))
          throw new errors.UnsupportedResponseType(SENTENCE);
        return responseModeAllowed.call(this, mode, responseType, ...rest);
      },
  );
}
