import type { Client, Grant } from 'oidc-provider';
import { recordEvent } from '../audit/events.ts';
import { languageOf } from '../http/language.ts';
import { render } from '../http/render.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { visitorOf } from '../http/visitor.ts';
import type { App } from '../oauth/app.ts';
import { answersOf, type Pressed } from '../oauth/consent/answers.ts';
import { type Asked, askedBy } from '../oauth/consent/asked.ts';
import { describeConsent } from '../oauth/consent/consent-page.ts';
import { write } from '../oauth/store/unit-of-work.ts';
import { findAccount } from '../people/store.ts';
import { AppError } from '../platform/errors.ts';
import type { SignInFeature } from './feature.ts';
import { finish } from './finish.ts';
import type { Interaction, Step } from './step.ts';

/** Owns the consent decision. Does not decide whether consent is needed: see interaction-policy.ts. */

export async function showConsent(step: Step, nothingChosen = false): Promise<void> {
  const { ctx, interaction, csrf, app } = step;
  const { database, resourceServers, config } = app;
  const [client, grant, account] = await Promise.all([
    findClient(app, String(interaction.params['client_id'])),
    findGrant(app, interaction),
    findAccount(database, String(interaction.session?.accountId)),
  ]);
  if (!account) throw new AppError('interaction_expired', { status: 400, reason: 'account_gone' });
  const redirectUri = interaction.params['redirect_uri'];
  if (typeof redirectUri === 'string') allowFormAction(ctx, redirectUri);
  const data = {
    csrf,
    nothingChosen,
    action: `/interaction/${interaction.uid}/consent`,
    anotherAccountAction: `/interaction/${interaction.uid}/another-account`,
    ...(await describeConsent(
      { database, resourceServers, issuer: config.issuer, language: languageOf(ctx) },
      { client, account, redirectUri, asked: askedIn(step), grant },
    )),
  };
  render(ctx, 'interaction/consent', data, nothingChosen ? 400 : 200);
}

const BUTTONS = new Set<string>(['approve', 'approve_all'] satisfies Pressed[]);

/**
 * Hands the user's decision to existing-grant.ts, which stores it together with the code. The requested scopes come from the stored
 * request, never from the form.
 * The form carries the checked optional scopes (`scope`, each named by tickOf()) and the pressed button (`decision`). `approve` grants the
 * required and the checked scopes. `approve_all` also grants every optional scope, and `deny` grants none.
 */
export async function decideConsent(step: Step, form: URLSearchParams): Promise<void> {
  const { interaction, app } = step;
  const accountId = String(interaction.session?.accountId);
  const pressed = form.getAll('decision').join();
  if (!BUTTONS.has(pressed)) return denyConsent(step, accountId);
  const client = await findClient(app, String(interaction.params['client_id']));
  const known = { servers: app.resourceServers, issuer: app.config.issuer };
  const answers = answersOf(known, client, askedIn(step), { pressed: pressed as Pressed, ticked: new Set(form.getAll('scope')) });
  // Allow never answers with `access_denied`: a user who chose no scope sees the page again.
  if (!answers.some(({ allowed, claims = [] }) => allowed.length || claims.length)) return showConsent(step, true);
  await finish(step, { consent: { accountId, answers } });
}

async function denyConsent(step: Step, accountId: string): Promise<void> {
  const { ctx, interaction, app } = step;
  // Record the denial once: a second click on the same button adds no event.
  if (interaction.result?.error === undefined)
    await write(app.database, {
      purpose: 'keep',
      subject: `AuditEvent denial ${interaction.uid}`,
      statement: recordEvent(visitorOf(ctx), { type: 'consent_denied', accountId, clientId: String(interaction.params['client_id']) }),
    });
  await finish(step, { error: 'access_denied', error_description: 'the person denied the request' });
}

const askedIn = ({ interaction, app: { resourceServers, config } }: Step): Asked =>
  askedBy({ servers: resourceServers, issuer: config.issuer }, interaction.params);

async function findClient({ provider }: App<SignInFeature>, clientId: string): Promise<Client> {
  const client = await provider.Client.find(clientId);
  if (!client) throw new AppError('invalid_client', { status: 400, reason: 'client_deleted_meanwhile' });
  return client;
}

/** @returns the existing grant that this consent extends, if there is one. */
async function findGrant({ provider }: App<SignInFeature>, { grantId }: Interaction): Promise<Grant | undefined> {
  return grantId ? provider.Grant.find(grantId) : undefined;
}
