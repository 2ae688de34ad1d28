import { errors, Provider } from 'oidc-provider';

/**
 * Turns an ID token hint that cannot be verified into an error that a client understands. With `prompt=none` the client asks whether a user
 * is
 * signed in. A hint signed by a deleted key names no user, so the user must sign in (OIDC Core 3.1.2.1).
 * Without `prompt=none` the client gets the validation error.
 */
export function answerUnverifiedHints(provider: Provider): void {
  const { IdToken } = provider;
  const validate = IdToken.validate.bind(IdToken);
  IdToken.validate = async (hint, client) => {
    try {
      return await validate(hint, client);
    } catch (error) {
      if (Provider.ctx?.oidc?.params?.['prompt'] !== 'none') throw error;
      throw new errors.LoginRequired('id_token_hint could not be verified', { cause: error });
    }
  };
}
