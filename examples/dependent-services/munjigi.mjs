import * as client from 'openid-client';

/**
 * What the app and Munjigi say to each other, by `openid-client`: sign-in, refresh, and the exchange of the person's token for one of a
 * service that the app depends on. Tokens stay on the server; pages never see one.
 */

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
/** Refreshed a little early, so that it does not end on its way. */
const EARLY_MS = 30_000;

/** What each upstream service is asked for. Its scope at Munjigi is `provider:service`; which there are, Munjigi's operator has set up. */
export const SERVICES = {
  haru: ['haru:profile', 'haru:data'],
  notes: ['notes:read'],
};
const SCOPE = ['openid', 'profile', 'email', 'offline_access', ...Object.values(SERVICES).flat()].join(' ');

export class Munjigi {
  #config;
  #redirectUri;
  #connectedUri;

  constructor(config, { redirectUri, connectedUri }) {
    this.#config = config;
    this.#redirectUri = redirectUri;
    this.#connectedUri = connectedUri;
  }

  /**
   * @param {{ redirectUri: string, connectedUri: string }} places where it sends the browser back to, from signing in and from connecting a
   * service again; both are registered. @throws when it does not answer.
   */
  static async at({ issuer, clientId, clientSecret, ...places }) {
    const config = await client.discovery(new URL(issuer), clientId, undefined, client.ClientSecretBasic(clientSecret), {
      // http is for this example, on one machine alone.
      execute: issuer.startsWith('http:') ? [client.allowInsecureRequests] : [],
      timeout: 10,
    });
    return new Munjigi(config, places);
  }

  /** Where to send the browser, and what has to be kept until it comes back. @param {boolean} again asks for consent even when it was given. */
  async beginSignIn({ language, again = false }) {
    const kept = { codeVerifier: client.randomPKCECodeVerifier(), state: client.randomState(), nonce: client.randomNonce() };
    const url = client.buildAuthorizationUrl(this.#config, {
      redirect_uri: this.#redirectUri,
      scope: SCOPE,
      code_challenge: await client.calculatePKCECodeChallenge(kept.codeVerifier),
      code_challenge_method: 'S256',
      state: kept.state,
      nonce: kept.nonce,
      ui_locales: language,
      ...(again ? { prompt: 'consent' } : undefined),
    });
    return { url, kept };
  }

  /** @param {URL} answer as the browser brought it. @returns who it is, and their tokens. @throws when anything does not fit. */
  async completeSignIn(answer, { codeVerifier, state, nonce }) {
    const response = await client.authorizationCodeGrant(this.#config, answer, {
      pkceCodeVerifier: codeVerifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    const { sub } = response.claims();
    return {
      person: await client.fetchUserInfo(this.#config, response.access_token, sub),
      tokens: tokensFrom(response),
      idToken: response.id_token,
    };
  }

  /**
   * A token that lives a while yet. @param {{ tokens, refreshing? }} session its tokens are put in place: each refresh token works once.
   * @param dead a token of it that Munjigi does not take any more, whatever the clock says.
   * @throws {SessionOver} when Munjigi gives nothing for it any more.
   */
  async accessTokenOf(session, dead) {
    const { accessToken, expiresAt } = session.tokens;
    if (accessToken !== dead && expiresAt - EARLY_MS > Date.now()) return accessToken;
    // One refresh for however many pages ask at once: a second with the same refresh token would be taken for a thief's.
    session.refreshing ??= client.refreshTokenGrant(this.#config, session.tokens.refreshToken);
    try {
      session.tokens = tokensFrom(await session.refreshing, session.tokens);
      return session.tokens.accessToken;
    } catch (error) {
      if (error instanceof client.ResponseBodyError && error.error === 'invalid_grant') throw new SessionOver();
      throw error;
    } finally {
      session.refreshing = undefined;
    }
  }

  /**
   * The person's own token at a service (RFC 8693): `{ kind: 'token', accessToken, expiresIn, scope }`, or why there is none:
   * `{ kind: 'person-needed', url }`: they alone can mend it, at Munjigi, which sends them back;
   * `{ kind: 'not-allowed' }`: they did not let this app; `{ kind: 'unavailable' }`: try again later.
   * @param refused a token that we got before and the service does not take: Munjigi then gives another, or says that the person is needed.
   * @throws {SessionOver} when our own token is dead, and no other is given.
   */
  async tokenAt(service, session, refused) {
    const accessToken = await this.accessTokenOf(session);
    try {
      return await this.#exchange(service, accessToken, refused);
    } catch (error) {
      if (error.error !== 'invalid_request') throw error;
      // Ours ended before its time: there may be another.
      return this.#exchange(service, await this.accessTokenOf(session, accessToken), refused);
    }
  }

  /** Where the browser signs out of Munjigi too. */
  signOutUrl(session, backTo) {
    return client.buildEndSessionUrl(this.#config, { id_token_hint: session.idToken, post_logout_redirect_uri: backTo });
  }

  /** Tells Munjigi that the tokens are not wanted any more (RFC 7009). */
  async forget(session) {
    await client.tokenRevocation(this.#config, session.tokens.refreshToken, { token_type_hint: 'refresh_token' });
  }

  async #exchange(service, accessToken, refused) {
    try {
      const answer = await client.genericGrantRequest(this.#config, TOKEN_EXCHANGE, {
        subject_token: accessToken,
        subject_token_type: ACCESS_TOKEN,
        requested_token_type: ACCESS_TOKEN,
        audience: service,
        ...(refused ? { refused_token: refused } : undefined),
      });
      return { kind: 'token', accessToken: answer.access_token, expiresIn: answer.expires_in, scope: answer.scope ?? '' };
    } catch (error) {
      // Without an answer, or with one of 503, it is no ResponseBodyError and has no `error`.
      switch (error.error) {
        case 'interaction_required':
          return {
            kind: 'person-needed',
            url: `${error.cause.interaction_uri}&${new URLSearchParams({ redirect_uri: this.#connectedUri })}`,
          };
        case 'invalid_scope':
        case 'invalid_target':
          return { kind: 'not-allowed' };
        case 'invalid_request':
          throw error;
        default:
          return { kind: 'unavailable' };
      }
    }
  }
}

/** Munjigi ended it: the person disconnected the app, was away too long, or is gone. Signing in again is all that helps. */
export class SessionOver extends Error {}

function tokensFrom(response, before) {
  return {
    accessToken: response.access_token,
    refreshToken: response.refresh_token ?? before?.refreshToken,
    expiresAt: Date.now() + (response.expires_in ?? 60) * 1_000,
  };
}
