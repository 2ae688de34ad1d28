import { type Client, errors, type Provider } from 'oidc-provider';
import { override } from '../internals.ts';

/** Owns the answer to a client that is set to the implicit or hybrid flow, which this server does not have (RFC 9700 section 2.1.2). */

const SENTENCE =
  "set response_type to code in the client's settings (response_type, responseType or flow; with PKCE if it is public): " +
  'the implicit and hybrid flows are not supported, RFC 9700 section 2.1.2';

/**
 * Makes the library say which setting to change, and say it before it judges the response mode: `query` is no mode of those flows, and the client would
 * hear of that instead. The library answers to a registered address alone, by the mode that was asked for or else the flow's own.
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
