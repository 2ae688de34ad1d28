import type { Context, Next } from 'koa';
import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import { answerError } from '../../http/boundary.ts';
import { languageOf } from '../../http/language.ts';
import { render } from '../../http/render.ts';
import { allowFormAction } from '../../http/security-headers.ts';
import type { Database } from '../../platform/database.ts';
import { nameOfClient } from '../clients/display-name.ts';
import { showOwnerFacts } from '../consent/owner-facts.ts';
import { offerWayBack } from './way-back.ts';

/** Owns the pages that the library renders through us: its errors, the two sign-out pages, and the form that submits a response. */

const KNOWN = new Set([
  'invalid_client',
  'invalid_redirect_uri',
  'access_denied',
  'temporarily_unavailable',
  'server_error',
  'invalid_request_uri',
]);

/** A page for an error that cannot return to a client, because the redirect URI is not verified. */
export const renderProtocolError = (database: Database) => async (ctx: KoaContextWithOIDC, out: ErrorOut, error: Error) => {
  // The library renders a page whenever `Accept` prefers HTML, and some programs send such a header.
  if (ctx.state.forPrograms) {
    ctx.body = out;
    return;
  }
  const code = error.name === 'SessionNotFound' ? 'interaction_expired' : KNOWN.has(out.error) ? out.error : 'invalid_request';
  // A late request may carry a session that was renamed since. A cookie of this response could overwrite the newer one.
  if (code === 'interaction_expired') {
    if (await ctx.state['repeatEnding']?.()) return;
    ctx.remove('Set-Cookie');
    await offerWayBack(ctx, ctx.oidc.provider);
  }
  await showOwnerFacts(ctx, database);
  answerError(ctx, code, ctx.status, {
    error: out.error,
    ...(out.error_description ? { error_description: out.error_description } : undefined),
  });
};

const nameOf = (ctx: KoaContextWithOIDC) => ctx.oidc.client && nameOfClient(ctx.oidc.client, languageOf(ctx));

/** @param form the library's form with its CSRF token. Our buttons refer to it by its id. */
export async function renderSignOut(ctx: KoaContextWithOIDC, form: string): Promise<void> {
  const returnTo = ctx.oidc.params?.['post_logout_redirect_uri'];
  if (typeof returnTo === 'string') allowFormAction(ctx, returnTo);
  render(ctx, 'sign-out', { form, clientName: nameOf(ctx), staysHere: ctx.state['staysHere'] });
}

/** The page after sign-out, also for a user who stayed signed in. Then only the client that asked, if any, was signed out. */
export async function renderSignedOut(ctx: KoaContextWithOIDC): Promise<void> {
  const { accountId } = await ctx.oidc.provider.Session.get(ctx);
  render(ctx, 'signed-out', { stayed: accountId !== undefined, clientName: nameOf(ctx) });
}

/**
 * The library answers `response_mode=form_post` and some of its steps with a form that submits itself. It has no setting for that page.
 * So its script and fields are copied unchanged into our page. The CSP contains the hash of exactly this script.
 */
export async function renderFormPost(ctx: Context, next: Next): Promise<void> {
  await next();
  if (!ctx.response.is('html') || typeof ctx.body !== 'string') return;
  const [, script, form] =
    /^<!DOCTYPE html>\n<html>\n<head>[\s\S]*?<script>([\s\S]*?)<\/script>[\s\S]*?(<form method="post"[\s\S]*?)<noscript>/.exec(ctx.body) ??
    [];
  if (script && form) render(ctx, 'form-post', { script, form }, ctx.status);
}
