import Router from '@koa/router';
import type { Context } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import { rememberApp } from '../authorization-server/way-back.ts';
import { assertOurForm, csrfToken } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import { preferLocales } from '../http/language.ts';
import { AppError } from '../platform/errors.ts';
import { decideConsent, showConsent } from './consent.ts';
import { showLogin, submitLogin } from './login.ts';
import type { Interaction, Services, Step } from './step.ts';

/**
 * Owns the person's side of an authorization: which page stands for what the library waits for.
 * Does not decide what comes next: every step ends in finish.ts, and interaction-policy.ts says.
 */

const pages: Record<string, (step: Step) => Promise<void>> = { login: showLogin, consent: showConsent };
const answers: Record<string, (step: Step, form: URLSearchParams) => Promise<void>> = { login: submitLogin, consent: decideConsent };

export function interactionRoutes(services: Services) {
  const router = new Router();

  router.get('/interaction/:uid', async (ctx) => {
    const step = await currentStep(ctx, services);
    const show = pages[step.interaction.prompt.name];
    if (!show) throw new AppError('invalid_request', { status: 400, reason: `no page for prompt ${step.interaction.prompt.name}` });
    await show(step);
  });

  router.post('/interaction/:uid/:prompt', async (ctx) => {
    const step = await currentStep(ctx, services);
    const form = await readForm(ctx);
    assertOurForm(ctx, services.config.cookieKeys, csrfSubject(step.interaction), form.get('csrf'), services.config.issuer);
    // A form of an earlier step, sent again from another tab: show where things stand.
    if (ctx['params'].prompt !== step.interaction.prompt.name) return ctx.redirect(`/interaction/${step.interaction.uid}`);
    await answers[step.interaction.prompt.name]?.(step, form);
  });

  return router.routes();
}

/** @throws AppError when this browser has no such interaction: it expired, is finished, or was opened elsewhere. */
async function currentStep(ctx: Context, services: Services): Promise<Step> {
  // Where a switch of language leads from the answer to a form, be it a refusal.
  ctx.state.pagePath = `/interaction/${encodeURIComponent(ctx['params'].uid)}`;
  const interaction = await findInteraction(ctx, services.provider);
  if (interaction.uid !== ctx['params'].uid)
    throw new AppError('interaction_expired', { status: 400, reason: 'interaction_of_another_page' });
  preferLocales(ctx, interaction.params['ui_locales']);
  rememberApp(ctx, String(interaction.params['client_id']));
  // A form that is refused leads back to its page; the page itself, when it cannot be shown, leads nowhere.
  ctx.state.pageStands = ctx.method === 'POST';
  return { ctx, interaction, csrf: csrfToken(services.config.cookieKeys, csrfSubject(interaction)), services };
}

async function findInteraction(ctx: Context, provider: Provider): Promise<Interaction> {
  try {
    return await provider.interactionDetails(ctx.req, ctx.res);
  } catch (error) {
    if (error instanceof errors.SessionNotFound)
      throw new AppError('interaction_expired', { status: 400, reason: error.error_detail ?? error.message });
    throw error;
  }
}

/** A form fits one interaction in one step: not a consent page with a sign-in page's token. */
const csrfSubject = (interaction: Interaction) => `interaction ${interaction.uid} ${interaction.prompt.name}`;
