import Router from '@koa/router';
import type { Context } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import { assertOurForm, csrfToken } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import { preferLocales } from '../http/language.ts';
import { rememberApp } from '../oauth/answers/way-back.ts';
import type { App } from '../oauth/app.ts';
import { AppError } from '../platform/errors.ts';
import { decideConsent, showConsent } from './consent.ts';
import { showFactor, submitFactor } from './factor.ts';
import type { SignInFeature } from './feature.ts';
import { answerLink, LINKS, showLink } from './links.ts';
import { showLogin, submitLogin } from './login.ts';
import { resendReset, showNewPassword, showReset, showResetCode, submitNewPassword, submitReset, submitResetCode } from './reset.ts';
import { answerLate, pressedBefore } from './second-press.ts';
import { chooseAccount, showAccounts, useAnotherAccount } from './select-account.ts';
import { resendSignup, showSignup, showSignupCode, submitSignup, submitSignupCode } from './signup.ts';
import type { Interaction, Page, PromptPages, Step } from './step.ts';

/**
 * Owns the user's side of an authorization: it picks the page for each prompt of the library.
 * Does not decide what comes next: every step ends in finish.ts, and interaction-policy.ts chooses the next prompt.
 */

/** The pages on which a user signs in. Each of them links to the others. */
const SIGN_IN: Record<string, Page> = {
  login: { show: (step) => showLogin(step), answer: submitLogin },
  signup: { show: showSignup, answer: submitSignup },
  'signup/code': { show: showSignupCode, answer: submitSignupCode },
  'signup/resend': { answer: resendSignup },
  reset: { show: showReset, answer: submitReset },
  'reset/code': { show: showResetCode, answer: submitResetCode },
  'reset/resend': { answer: resendReset },
  'reset/password': { show: showNewPassword, answer: submitNewPassword },
};

/** For pages that show the signed-in account: another user may be at the browser. */
const SWITCH: Record<string, Page> = { 'another-account': { answer: useAnotherAccount } };

/** @returns the pages of each prompt in interaction-policy.ts, and the page on which the prompt begins. */
function promptPages(features: readonly SignInFeature[]): Record<string, PromptPages> {
  const signIn = Object.assign({}, SIGN_IN, ...features.map(({ signInPages }) => signInPages)) as PromptPages['pages'];
  const prompts: Record<string, PromptPages> = {
    create: { first: 'signup', pages: signIn },
    login: { first: 'login', pages: signIn },
    factor: { first: 'factor', pages: { factor: { show: showFactor, answer: submitFactor } } },
    select_account: { first: 'select_account', pages: { select_account: { show: showAccounts, answer: chooseAccount }, ...SWITCH } },
    consent: { first: 'consent', pages: { consent: { show: showConsent, answer: decideConsent }, ...SWITCH } },
  };
  for (const [name, { first, pages }] of features.flatMap((feature) => Object.entries(feature.promptPages ?? {})))
    prompts[name] = { first, pages: { ...prompts[name]?.pages, ...pages } };
  return prompts;
}

export function interactionRoutes(app: App<SignInFeature>) {
  const router = new Router();
  const prompts = promptPages(app.features);

  router.get('/interaction/:uid', async (ctx) => {
    const step = await stepOf(ctx, app);
    if (!step) return;
    const { first, pages } = promptOf(step, prompts);
    await pages[first]?.show?.(step);
  });

  router.get('/interaction/:uid/:page/link', async (ctx, next) => {
    const link = LINKS.get(ctx['params'].page);
    return link ? showLink(await requestOf(ctx, app, prompts), link) : next();
  });

  router.post('/interaction/:uid/:page/link', async (ctx, next) => {
    const link = LINKS.get(ctx['params'].page);
    return link ? answerLink(await requestOf(ctx, app, prompts), link) : next();
  });

  router.get(['/interaction/:uid/:page', '/interaction/:uid/:page/:part'], async (ctx) => {
    const step = await stepOf(ctx, app);
    if (!step) return;
    const show = pageOf(step, prompts)?.show;
    // The user reopened a page of an earlier step: redirect to the current one.
    if (!show) return ctx.redirect(`/interaction/${step.interaction.uid}`);
    await show(step);
  });

  router.post(['/interaction/:uid/:page', '/interaction/:uid/:page/:part'], async (ctx) => {
    const step = await stepOf(ctx, app);
    if (!step) return;
    const form = await readForm(ctx);
    assertOurForm(ctx, app.config.cookieKeys, csrfSubject(step.interaction), form.get('csrf'), app.config.issuer);
    // The page's script sends a passkey response once. A second one is a replay (WebAuthn level 3 section 7.2), so no stored answer may
    // repeat it.
    if (ctx['params'].page !== 'passkey' && (await pressedBefore(ctx, app, form))) return;
    const page = pageOf(step, prompts);
    // The user resubmitted a form of an earlier step, from another tab: redirect to the current page.
    if (!page?.answer) return ctx.redirect(`/interaction/${step.interaction.uid}`);
    await page.answer(step, form);
  });

  return router.routes();
}

type Prompts = Record<string, PromptPages>;

function promptOf({ interaction }: Step, prompts: Prompts): PromptPages {
  const prompt = prompts[interaction.prompt.name];
  if (!prompt) throw new AppError('invalid_request', { status: 400, reason: `no page for prompt ${interaction.prompt.name}` });
  return prompt;
}

/**
 * @returns the requested page if it belongs to the current prompt. Sets `pagePath`, so that the language switch on an answer leads back to
 * the form.
 */
function pageOf(step: Step, prompts: Prompts): Page | undefined {
  const { page: name, part } = step.ctx['params'];
  const exact = part === undefined ? name : `${name}/${part}`;
  const { pages } = promptOf(step, prompts);
  const path = [exact, `${name}/:part`].find((known) => Object.hasOwn(pages, known));
  const page = path === undefined ? undefined : pages[path];
  if (page?.show) step.ctx.state.pagePath = `/interaction/${step.interaction.uid}/${exact}`;
  return page;
}

/** @returns the step that a request belongs to; undefined when the interaction has ended and answerLate() has already responded. */
const stepOf = (ctx: Context, app: App<SignInFeature>): Promise<Step | undefined> =>
  currentStep(ctx, app).catch((error) => answerLate(ctx, app, error));

/** @throws AppError when this browser has no such interaction: it expired, it is finished, or another browser opened it. */
async function currentStep(ctx: Context, app: App<SignInFeature>): Promise<Step> {
  // The language switch leads here, also from an error page that answers a form.
  ctx.state.pagePath = `/interaction/${encodeURIComponent(ctx['params'].uid)}`;
  const interaction = await findInteraction(ctx, app.provider);
  if (interaction.uid !== ctx['params'].uid)
    throw new AppError('interaction_expired', { status: 400, reason: 'interaction_of_another_page' });
  preferLocales(ctx, interaction.params['ui_locales']);
  rememberApp(ctx, String(interaction.params['client_id']));
  // The error page of a refused form links back to the form's page. When the page itself fails, there is no such link.
  ctx.state.pageStands = ctx.method === 'POST';
  return { ctx, interaction, csrf: csrfToken(app.config.cookieKeys, csrfSubject(interaction)), app };
}

/**
 * A browser may open a mailed link without this interaction, or after its interaction has left the sign-in prompt. `own` is then undefined.
 */
async function requestOf(ctx: Context, app: App<SignInFeature>, prompts: Prompts) {
  try {
    const own = await currentStep(ctx, app);
    return { ctx, app, own: promptOf(own, prompts).pages === prompts['login']?.pages ? own : undefined };
  } catch (error) {
    if (error instanceof AppError && error.code === 'interaction_expired') return { ctx, app, own: undefined };
    throw error;
  }
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

/** Binds the CSRF token to one interaction and one prompt: a token of the sign-in page is invalid on the consent page. */
const csrfSubject = (interaction: Interaction) => `interaction ${interaction.uid} ${interaction.prompt.name}`;
