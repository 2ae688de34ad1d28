import { errors, Provider } from 'oidc-provider';

/**
 * Makes an ID token hint that cannot be verified an answer that a client understands. With `prompt=none` the client wants to know whether a user is signed
 * in: a hint of a key that was rotated long ago names nobody, so the user must sign in (OIDC Core 3.1.2.1). Without, the client hears of its mistake.
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
