import type { Context, Next } from 'koa';
import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import { answerError } from '../../http/boundary.ts';
import { languageOf } from '../../http/language.ts';
import { render } from '../../http/render.ts';
import { allowFormAction } from '../../http/security-headers.ts';
import type { Database } from '../../platform/database.ts';
import { nameOfClient } from '../clients/display-name.ts';
import { tellOwner } from '../consent/owner-facts.ts';
import { offerWayBack } from './way-back.ts';

/** Owns the pages that the library asks for: its errors, the two of signing out, and the form that takes an answer on. */

const KNOWN = new Set([
  'invalid_client',
  'invalid_redirect_uri',
  'access_denied',
  'temporarily_unavailable',
  'server_error',
  'invalid_request_uri',
]);

/** An error that cannot go back to a client, because nobody knows yet that the address is the client's. */
export const renderProtocolError = (database: Database) => async (ctx: KoaContextWithOIDC, out: ErrorOut, error: Error) => {
  // The library asks for a page wherever `Accept` names one first, as some programs do.
  if (ctx.state.forPrograms) {
    ctx.body = out;
    return;
  }
  const code = error.name === 'SessionNotFound' ? 'interaction_expired' : KNOWN.has(out.error) ? out.error : 'invalid_request';
  // Whoever comes late may hold a session that was renamed meanwhile: a cookie of this answer could take the place of the newer one.
  if (code === 'interaction_expired') {
    if (await ctx.state['repeatEnding']?.()) return;
    ctx.remove('Set-Cookie');
    await offerWayBack(ctx, ctx.oidc.provider);
  }
  await tellOwner(ctx, database);
  answerError(ctx, code, ctx.status, {
    error: out.error,
    ...(out.error_description ? { error_description: out.error_description } : undefined),
  });
};

const nameOf = (ctx: KoaContextWithOIDC) => ctx.oidc.client && nameOfClient(ctx.oidc.client, languageOf(ctx));

/** @param form the library's form, with its token against forgery; our buttons belong to it by its id. */
export async function renderSignOut(ctx: KoaContextWithOIDC, form: string): Promise<void> {
  const returnTo = ctx.oidc.params?.['post_logout_redirect_uri'];
  if (typeof returnTo === 'string') allowFormAction(ctx, returnTo);
  render(ctx, 'sign-out', { form, clientName: nameOf(ctx), staysHere: ctx.state['staysHere'] });
}

/** Where a person comes who signed out, and one who stayed: then it was the client alone that asked, if any, that was signed out of. */
export async function renderSignedOut(ctx: KoaContextWithOIDC): Promise<void> {
  const { accountId } = await ctx.oidc.provider.Session.get(ctx);
  render(ctx, 'signed-out', { stayed: accountId !== undefined, clientName: nameOf(ctx) });
}

/**
 * The library answers `response_mode=form_post`, and some of its own steps, with a form that sends itself. It has no setting for how that
 * looks, so it is put into our page as it stands: its script, because the policy has that very text's hash, and its fields.
 */
export async function dressFormPost(ctx: Context, next: Next): Promise<void> {
  await next();
  if (!ctx.response.is('html') || typeof ctx.body !== 'string') return;
  const [, script, form] =
    /^<!DOCTYPE html>\n<html>\n<head>[\s\S]*?<script>([\s\S]*?)<\/script>[\s\S]*?(<form method="post"[\s\S]*?)<noscript>/.exec(ctx.body) ??
    [];
  if (script && form) render(ctx, 'form-post', { script, form }, ctx.status);
}
