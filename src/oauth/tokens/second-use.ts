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
 * Owns what follows when a client presents a code or refresh token a second time: the same answer again, a refusal that ends nothing, or a
 * refusal that ends the family. Does not own how long the grace window is: see refresh-policy.ts.
 */

// A page that mounts twice or a retry of the network sends a code twice within milliseconds. A second is far above that.
const HARMLESS_SECONDS = 1;

/**
 * Settles a second use that passed all checks of the library but the last one: the client, PKCE, redirect URI, key and scope are right.
 * The library refuses it afterwards; a repeated refresh is answered by settleTokenRequests() instead.
 */
export async function settleSecondUse(database: Database, ctx: KoaContextWithOIDC): Promise<void> {
  const source = await recallSource();
  if (!source) return;
  const harmless = source.kind === 'RefreshToken' ? await isRepeat(database, ctx, source) : await isHarmless(ctx, source);
  if (harmless) spareFamily(source);
  else await endFamily(database, source);
}

/** A code that the same client sends twice at once, with the key that it was asked for with. */
async function isHarmless(ctx: KoaContextWithOIDC, { usedSecondsAgo = 0, dpopJkt }: Source): Promise<boolean> {
  return usedSecondsAgo <= HARMLESS_SECONDS && (dpopJkt === undefined || dpopJkt === (await proofKey(ctx)));
}

/** Whether the window for this refresh token is open. If the request is the same one too, its answer is put in place. */
async function isRepeat(database: Database, ctx: KoaContextWithOIDC, { id }: Source): Promise<boolean> {
  const kept = await findTokenResponse(database, id);
  if (!kept) return false;
  const token = ctx.oidc.entities.RefreshToken as RefreshToken;
  if (kept.request === (await requestOf(ctx, token))) ctx.state['answerAgain'] = kept.response;
  else ctx.state['otherRequest'] = true;
  return true;
}

/** Whether this refresh gets the answer of an earlier one. The library still reports an error then, which is none. */
export const isAnsweredAgain = (ctx: KoaContextWithOIDC): boolean => ctx.state['answerAgain'] !== undefined;

/** Does what is left to do when the library has answered a token request. Part of the request's unit of work. */
export function settleTokenRequests(database: Database) {
  return async (ctx: Context, next: Next) => {
    await next();
    if (ctx['oidc']?.route !== 'token') return;
    const source = await recallSource();
    if (!source) return;
    if (ctx.status === 200) return followUse(database, ctx as never, source);
    if (ctx.state['answerAgain']) return answer(ctx, ctx.state['answerAgain']);
    if (ctx.state['otherRequest'] && typeof ctx.body === 'object') ctx.body = { ...ctx.body, error_description: OTHER_REQUEST };
    // Nothing that is wrong may end a sign-in before the code was used: anyone who found the code could do that. Afterwards each presentation says
    // that somebody else has it (RFC 6749 section 4.1.2).
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
 * Answers a refresh that lost the race for its token from what the winner's answer was. The request is not run again: its client assertion and
 * DPoP proof are used up. @returns false when there is no such answer; the request is refused then.
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

/** What decides what an answer says beside the refresh token: two requests with the same text are one request. */
async function requestOf(ctx: KoaContextWithOIDC, token: RefreshToken): Promise<string> {
  const { params = {}, requestParamScopes } = ctx.oidc;
  // Without `scope` all that was granted is asked for (RFC 6749 section 6).
  const scopes = params['scope'] ? requestParamScopes : token.scopes;
  return JSON.stringify([[...scopes].sort(), params['resource'] ?? null, (await proofKey(ctx)) ?? null]);
}

/** Thumbprint of the key of this request's DPoP proof, which the library has verified (RFC 9449 section 4.3). */
async function proofKey(ctx: KoaContextWithOIDC): Promise<string | undefined> {
  const proof = ctx.get('DPoP');
  return proof ? calculateJwkThumbprint(decodeProtectedHeader(proof).jwk as JWK) : undefined;
}
