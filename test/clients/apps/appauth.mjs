import { registerHooks } from 'node:module';

/**
 * AppAuth for Node as its own example (node_app) uses it: a handler listens on loopback and opens the system's browser.
 * Its files import one another without endings, as bundlers take them. The hook adds those, and a browser that the test gives.
 */
registerHooks({
  resolve(specifier, context, next) {
    if (!context.parentURL?.includes('/@openid/appauth/')) return next(specifier, context);
    if (specifier === 'opener')
      return { url: 'data:text/javascript,export default (url) => globalThis.openBrowser(url)', shortCircuit: true };
    return next(/^\.{1,2}\//.test(specifier) ? `${specifier}.js` : specifier, context);
  },
});

/** @returns the token response. @param openBrowser visits an address. */
export async function appAuth({ issuer, clientId, port, scope, openBrowser }) {
  globalThis.openBrowser = openBrowser;
  const home = '@openid/appauth/built/src';
  const { setFlag } = await import(`${home}/flags.js`);
  setFlag('IS_LOG', false);
  const { AuthorizationServiceConfiguration } = await import(`${home}/authorization_service_configuration.js`);
  const { AuthorizationRequest } = await import(`${home}/authorization_request.js`);
  const { AuthorizationNotifier } = await import(`${home}/authorization_request_handler.js`);
  const { TokenRequest } = await import(`${home}/token_request.js`);
  const { BaseTokenRequestHandler } = await import(`${home}/token_request_handler.js`);
  const { NodeBasedHandler } = await import(`${home}/node_support/node_request_handler.js`);
  const { NodeRequestor } = await import(`${home}/node_support/node_requestor.js`);
  const { NodeCrypto } = await import(`${home}/node_support/crypto_utils.js`);

  const requestor = new NodeRequestor();
  const configuration = await AuthorizationServiceConfiguration.fetchFromIssuer(issuer, requestor);
  const redirect_uri = `http://127.0.0.1:${port}`;
  const request = new AuthorizationRequest(
    {
      client_id: clientId,
      redirect_uri,
      scope,
      response_type: AuthorizationRequest.RESPONSE_TYPE_CODE,
      extras: { prompt: 'consent', access_type: 'offline' },
    },
    new NodeCrypto(),
  );
  const handler = new NodeBasedHandler(port);
  const code = await new Promise((resolve, reject) => {
    const notifier = new AuthorizationNotifier();
    handler.setAuthorizationNotifier(notifier);
    notifier.setAuthorizationListener((_request, response, error) => (response ? resolve(response.code) : reject(error)));
    handler.performAuthorizationRequest(configuration, request);
  });
  const tokenHandler = new BaseTokenRequestHandler(requestor);
  const perform = (parameters) =>
    tokenHandler.performTokenRequest(configuration, new TokenRequest({ client_id: clientId, redirect_uri, ...parameters }));
  const tokens = await perform({
    grant_type: 'authorization_code',
    code,
    extras: { code_verifier: request.internal.code_verifier },
  });
  const refreshed = tokens.refreshToken && (await perform({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken }));
  return { tokens, refreshed };
}
