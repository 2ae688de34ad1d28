import { createHash } from 'node:crypto';
import { createRemoteJWKSet, customFetch, errors as jose, jwtVerify } from 'jose';
import type { Context } from 'koa';
import { assertOurForm } from '../../../http/csrf.ts';
import { readForm } from '../../../http/form.ts';
import { preferProfile } from '../../../http/language.ts';
import { seeOther } from '../../../http/redirects.ts';
import { allowFormAction } from '../../../http/security-headers.ts';
import type { App } from '../../../oauth/app.ts';
import { ADMIN_CLIENT } from '../../../oauth/clients/first-party.ts';
import { ROUTES } from '../../../oauth/routes.ts';
import { ACR } from '../../../oauth/session/strength.ts';
import { rememberOnce } from '../../../oauth/store/records.ts';
import { createStandingTokens, type StandingToken } from '../../../oauth/store/standing-tokens.ts';
import type { Door, SignedInAt } from '../../../pages/door.ts';
import { CLOCK_DIFFERENCE_SECONDS } from '../../../pages/first-party.ts';
import { csrfSubject } from '../../../pages/own-pages.ts';
import { hasFactor } from '../../../people/factors.ts';
import { accountFromRow } from '../../../people/store.ts';
import { epochSeconds, MINUTE } from '../../../platform/clock.ts';
import { AppError } from '../../../platform/errors.ts';
import { randomSecret } from '../../../platform/secrets.ts';
import { showsTwoFactors } from '../second-factor.ts';
import { ADMIN_CALLBACK_PATH } from './client.ts';
import { createAdminCookies, type Pending } from './cookies.ts';

/**
 * Owns access to the administration pages on ADMIN_PORT. They have their own origin, where the issuer's session cookie is absent, so they
 * sign in with the code flow, like any client.
 * The browser's cookie is the sealed access token. Each request checks that the token is still active. A sign-out, a disabled account or a
 * revoked grant therefore ends administration at once.
 */

export const SIGN_OUT_PATH = '/admin/sign-out';

/** The time an operator has to sign in. */
const PENDING_SECONDS = 15 * MINUTE;

const ASK_TIMEOUT_MS = 2_500;

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];

export type AdminDoor = Door & {
  /** Handles the answer to a sign-in that began here. @throws AppError 400 for any other answer, and for a second one. */
  comeBack(ctx: Context): Promise<void>;
  /** Ends the session here, revokes its tokens, and leads to the issuer's sign-out page. */
  leave(ctx: Context): Promise<void>;
};

type DoorApp = Pick<App, 'config' | 'database' | 'keyRing' | 'ask'> & {
  /** The secret of the client that these pages are. */
  clientSecret: string;
};

export function createAdminDoor({ config, database, keyRing, ask, clientSecret }: DoorApp): AdminDoor {
  const { issuer } = config;
  const origin = config.adminOrigin as string;
  const cookies = createAdminCookies(origin, keyRing);
  const standing = createStandingTokens(database);
  const keys = createRemoteJWKSet(new URL(`${issuer}${ROUTES.jwks}`), { [customFetch]: ask, timeoutDuration: ASK_TIMEOUT_MS });
  const redirectUri = `${origin}${ADMIN_CALLBACK_PATH}`;
  const credentials = `Basic ${Buffer.from(`${ADMIN_CLIENT}:${clientSecret}`).toString('base64')}`;

  async function isHere(ctx: Context): Promise<(SignedInAt & { at: number }) | undefined> {
    const sent = cookies.token(ctx);
    const token = sent === undefined ? undefined : await standing(sent, true);
    return token && whoHolds(token);
  }

  /** Redirects the browser to the issuer, to return to this page. */
  function sendToIssuer(ctx: Context, wishes: { maxAge?: number | undefined; acr?: string }): void {
    const pending: Pending = {
      state: randomSecret(),
      nonce: randomSecret(),
      verifier: randomSecret(),
      page: ctx.path.length > 500 ? '/admin' : ctx.method === 'POST' ? `${ctx.path}?again` : ctx.path,
      until: Date.now() + PENDING_SECONDS * 1_000,
    };
    cookies.addPending(ctx, pending);
    const query = new URLSearchParams({
      client_id: ADMIN_CLIENT,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid',
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: createHash('sha256').update(pending.verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    if (wishes.maxAge !== undefined) query.set('max_age', String(wishes.maxAge));
    if (wishes.acr !== undefined) query.set('acr_values', wishes.acr);
    seeOther(ctx, `${issuer}${ROUTES.authorization}?${query}`);
  }

  async function redeem(code: string, verifier: string): Promise<{ accessToken: string; idToken: string }> {
    const response = await post(ROUTES.token, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    });
    const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    const { access_token: accessToken, id_token: idToken } = body;
    if (response.status >= 500) throw new AppError('temporarily_unavailable', { status: 503, reason: `token endpoint ${response.status}` });
    if (typeof accessToken !== 'string' || typeof idToken !== 'string') throw gone(`token endpoint ${response.status}`);
    return { accessToken, idToken };
  }

  /** @throws AppError 400 for an ID token of another audience or another sign-in (OIDC Core section 3.1.3.7). */
  async function assertOurs(idToken: string, nonce: string): Promise<void> {
    try {
      const options = { issuer, audience: ADMIN_CLIENT, algorithms: ALGORITHMS, requiredClaims: ['exp', 'iat', 'sub', 'nonce'] };
      const { payload } = await jwtVerify(idToken, keys, options);
      if (payload['nonce'] === nonce) return;
    } catch (error) {
      if (!(error instanceof jose.JOSEError)) throw error;
      throw gone(`id_token ${error.code}`);
    }
    throw gone('nonce');
  }

  const post = (path: string, parameters: Record<string, string>) =>
    ask(`${issuer}${path}`, { method: 'POST', headers: { authorization: credentials }, body: new URLSearchParams(parameters) });

  return {
    origin,
    browser: cookies.sent,

    async enter(ctx, { maxAgeSeconds } = {}) {
      // The pages link to the issuer. A form may also redirect there when the operator must sign in again.
      ctx.state.apart = { issuer, signOut: SIGN_OUT_PATH };
      allowFormAction(ctx, issuer);
      const here = await isHere(ctx);
      const maxAge = maxAgeSeconds === undefined ? undefined : maxAgeSeconds - CLOCK_DIFFERENCE_SECONDS;
      if (!here || (maxAgeSeconds !== undefined && here.at + maxAgeSeconds < epochSeconds(new Date())))
        return void sendToIssuer(ctx, { maxAge });
      const { account, session } = here;
      // The user set up the factor after this sign-in and must prove it now.
      if (!showsTwoFactors(session.acr) && (await hasFactor(database, account.id)))
        return void sendToIssuer(ctx, { maxAge, acr: ACR.twoFactors });
      preferProfile(ctx, account.locale);
      return { account, session };
    },

    async comeBack(ctx) {
      ctx.state.beginAgainAt = '/admin';
      const { state, code, error, iss } = ctx.query;
      const pending = cookies.takePending(ctx, state);
      if (!pending) throw gone('no_pending_sign_in');
      // The issuer of the answer (RFC 9207 section 2.4).
      if (iss !== issuer) throw gone('iss');
      if (error !== undefined)
        throw new AppError('access_denied', {
          status: 400,
          reason: `admin ${typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : 'unreadable error'}`,
        });
      if (typeof code !== 'string' || !code) throw gone('no_code');
      // A copied cookie could be sent again.
      if (!(await rememberOnce(database, JSON.stringify(['admin sign-in', pending.state]), PENDING_SECONDS))) throw gone('used');
      const { accessToken, idToken } = await redeem(code, pending.verifier);
      await assertOurs(idToken, pending.nonce);
      cookies.keepToken(ctx, accessToken);
      seeOther(ctx, pending.page);
    },

    async leave(ctx) {
      const here = await isHere(ctx);
      if (here) assertOurForm(ctx, config.cookieKeys, csrfSubject(here), (await readForm(ctx)).get('csrf'), origin);
      const token = cookies.token(ctx);
      cookies.forgetToken(ctx);
      // Revokes all tokens of this sign-in, so that a copied cookie no longer works.
      if (token !== undefined) await (await post(ROUTES.revocation, { token })).body?.cancel();
      seeOther(ctx, `${issuer}${ROUTES.end_session}`);
    },
  };
}

/** @returns the signed-in operator; undefined for a token of another client or API, or an account scheduled for deletion. */
function whoHolds({ kind, client_id, payload, account: row }: StandingToken): (SignedInAt & { at: number }) | undefined {
  if (kind !== 'AccessToken' || client_id !== ADMIN_CLIENT || !row) return undefined;
  const account = accountFromRow(row);
  const { acr, auth_time } = (payload['extra'] ?? {}) as { acr?: string; auth_time?: number };
  const uid = payload['sessionUid'];
  if (account.deleteAfter || typeof uid !== 'string') return undefined;
  return { account, session: { uid, acr }, at: auth_time ?? 0 };
}

const gone = (reason: string): AppError => new AppError('admin_sign_in_gone', { status: 400, reason });
