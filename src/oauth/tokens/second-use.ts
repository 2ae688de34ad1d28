import { calculateJwkThumbprint, decodeProtectedHeader, type JWK } from 'jose';
import type { Context, Next } from 'koa';
import type { KoaContextWithOIDC, RefreshToken } from 'oidc-provider';
import type { Database } from '../../platform/database.ts';
import { endFamily, isEndingSettled, spareFamily } from '../store/grants.ts';
import { recallSource, type Source } from '../store/lineage.ts';
import { findTokenResponse, keepTokenResponse, type TokenResponse } from '../store/token-responses.ts';
import { prolongRefreshToken } from '../store/tokens.ts';
import { graceSeconds, REFRESH_TOKEN_SECONDS } from './refresh-policy.ts';

/**
 * Owns what happens when a client presents a code or refresh token a second time. The client gets the same response, or an error that ends
 * nothing,
 * or an error that ends the token family. The length of the grace window is in refresh-policy.ts.
 */

// A page that mounts twice or a network retry sends a code twice within milliseconds. One second is far above that.
const HARMLESS_SECONDS = 1;

/**
 * Handles a second use that passed every check of the library except the last. Client, PKCE, redirect URI, key and scope are right.
 * The library then refuses it. settleTokenRequests() answers a repeated refresh instead.
 */
export async function settleSecondUse(database: Database, ctx: KoaContextWithOIDC): Promise<void> {
  const source = await recallSource();
  if (!source) return;
  const harmless = source.kind === 'RefreshToken' ? await isRepeat(database, ctx, source) : await isHarmless(ctx, source);
  if (harmless) spareFamily(source);
  else await endFamily(database, source);
}

/** Whether the same client sent a code twice within HARMLESS_SECONDS, with the key that the code is bound to. */
async function isHarmless(ctx: KoaContextWithOIDC, { usedSecondsAgo = 0, dpopJkt }: Source): Promise<boolean> {
  return usedSecondsAgo <= HARMLESS_SECONDS && (dpopJkt === undefined || dpopJkt === (await proofKey(ctx)));
}

/** Whether the grace window of this refresh token is open. If the request is equal too, its stored response is used. */
async function isRepeat(database: Database, ctx: KoaContextWithOIDC, { id }: Source): Promise<boolean> {
  const kept = await findTokenResponse(database, id);
  if (!kept) return false;
  const token = ctx.oidc.entities.RefreshToken as RefreshToken;
  if (kept.request === (await requestOf(ctx, token))) ctx.state['answerAgain'] = kept.response;
  else ctx.state['otherRequest'] = true;
  return true;
}

/** Whether this refresh gets the response of an earlier one. The library still reports an error, which callers must ignore. */
export const isAnsweredAgain = (ctx: KoaContextWithOIDC): boolean => ctx.state['answerAgain'] !== undefined;

/** Completes a token request after the library has answered it. Runs in the request's unit of work. */
export function settleTokenRequests(database: Database) {
  return async (ctx: Context, next: Next) => {
    await next();
    if (ctx['oidc']?.route !== 'token') return;
    const source = await recallSource();
    if (!source) return;
    if (ctx.status === 200) return followUse(database, ctx as never, source);
    if (ctx.state['answerAgain']) return answer(ctx, ctx.state['answerAgain']);
    if (ctx.state['otherRequest'] && typeof ctx.body === 'object') ctx.body = { ...ctx.body, error_description: OTHER_REQUEST };
    // Before first use, no failed request may end a sign-in: anyone who found the code could send one.
    // After first use, each further presentation shows that another party has the code (RFC 6749 section 4.1.2).
    if (
      ctx.status === 400 &&
      source.kind !== 'RefreshToken' &&
      source.usedSecondsAgo !== undefined &&
      source.grantId &&
      !isEndingSettled(source.grantId)
    )
      await endFamily(database, source);
  };
}

const OTHER_REQUEST =
  'refresh_token was used a moment ago with another scope, resource or DPoP key: send this request with the refresh token that replaced it';

async function followUse(database: Database, ctx: KoaContextWithOIDC, source: Source): Promise<void> {
  if (source.kind !== 'RefreshToken') return;
  const { client, entities } = ctx.oidc;
  const rotated = entities['RotatedRefreshToken'] as RefreshToken | undefined;
  if (!rotated) return prolongRefreshToken(database, source.id, REFRESH_TOKEN_SECONDS);
  const grace = client ? graceSeconds(client) : 0;
  if (!grace) return;
  const kept = { request: await requestOf(ctx, rotated), response: ctx.body as TokenResponse };
  await keepTokenResponse(database, source, kept, grace);
}

/**
 * Answers a refresh that lost the race for its token with the winner's stored response. The request cannot run again:
 * its client assertion and DPoP proof are consumed. @returns false when no response is stored; the request is then refused.
 */
export async function answerFromWinner(database: Database, ctx: Context): Promise<boolean> {
  const oidc = ctx['oidc'] as KoaContextWithOIDC['oidc'] | undefined;
  const used = oidc?.route === 'token' ? (oidc.entities['RotatedRefreshToken'] as RefreshToken | undefined) : undefined;
  const kept = used && (await findTokenResponse(database, used.jti));
  if (!kept || kept.request !== (await requestOf(ctx as never, used))) return false;
  answer(ctx, kept.response);
  return true;
}

function answer(ctx: Context, response: TokenResponse): void {
  ctx.status = 200;
  ctx.body = response;
  ctx.state['logged'] = { ...ctx.state['logged'], event: 'refresh_repeated' };
}

/** The inputs that decide a response, apart from the refresh token. Requests with equal text are one request. */
async function requestOf(ctx: KoaContextWithOIDC, token: RefreshToken): Promise<string> {
  const { params = {}, requestParamScopes } = ctx.oidc;
  // Without `scope` the client asks for everything granted (RFC 6749 section 6).
  const scopes = params['scope'] ? requestParamScopes : token.scopes;
  return JSON.stringify([[...scopes].sort(), params['resource'] ?? null, (await proofKey(ctx)) ?? null]);
}

/** @returns the thumbprint of the key of this request's DPoP proof, which the library has verified (RFC 9449 section 4.3). */
async function proofKey(ctx: KoaContextWithOIDC): Promise<string | undefined> {
  const proof = ctx.get('DPoP');
  return proof ? calculateJwkThumbprint(decodeProtectedHeader(proof).jwk as JWK) : undefined;
}
