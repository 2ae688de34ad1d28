import { languageOf } from '../../../http/language.ts';
import { onwardFrom, seeOther } from '../../../http/redirects.ts';
import type { App } from '../../../oauth/app.ts';
import { persist } from '../../../oauth/internals.ts';
import { sentToProve } from '../../../pages/fresh-proof.ts';
import { findAccount } from '../../../people/store.ts';
import { AppError } from '../../../platform/errors.ts';
import type { SignInFeature } from '../../../sign-in/feature.ts';
import { finish } from '../../../sign-in/finish.ts';
import { goTo, pathOf, type Step, showPage } from '../../../sign-in/step.ts';
import { identityAt } from '../identities.ts';
import { accountThere, bringBack, keepConnection, problemIn, sendForApp } from '../services/connecting.ts';
import { type Connected, type Connection, missingConnections, needsNewSignIn } from '../services/connections.ts';
import { UpstreamError } from '../upstream-error.ts';

/**
 * Owns the visit to a provider for a client that may act for the user there. Does not decide whether it is needed: see prompts.ts. The
 * client gets its code in any case, and learns what is missing when it requests a token.
 */

export async function showConnect(step: Step): Promise<void> {
  const { ctx } = step;
  const missing = await missingOf(step);
  // Another tab made the connection in the meantime, or it is no longer needed.
  if (!missing.length) return finish(step, {});
  const failed = missing.find(({ provider }) => provider.id === ctx.query['provider']);
  const [only, ...others] = missing;
  const onward = only && !others.length && !failed && justConsented(step) && (await firstTime(step)) ? goPath(step, only) : undefined;
  await showPage(step, 'interaction/connect', {
    connections: await Promise.all(missing.map((connection) => describe(step, connection))),
    problem: failed && problemIn(ctx.query),
    failed: failed?.provider.name,
    onward: onward !== undefined,
  });
  if (onward) onwardFrom(ctx, onward);
}

/** Sends the browser to the provider of one of the missing connections. */
export async function goToProvider(step: Step): Promise<void> {
  const { ctx, app } = step;
  const connection = (await missingOf(step)).find(({ provider }) => provider.id === ctx.query['provider']);
  if (!connection) return goTo(step, 'connect');
  // The page may have been open for a long time: the policy then asks the user to sign in again.
  const session = await app.provider.Session.get(ctx as never);
  if (needsNewSignIn([connection], session)) return finish(step, {});
  const opens = connection.standing === 'not_linked' && connection.provider.settings.signIn;
  if (opens && sentToProve(ctx, session, `interaction/${step.interaction.uid}`)) return;
  const { provider, allowed } = connection;
  try {
    const address = await sendForApp(vaultOf(app), {
      provider,
      allowed,
      accountId: accountOf(step),
      returnTo: pathOf(step, 'connect/return'),
      bound: boundTo(step),
    });
    seeOther(ctx, address);
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return failed(step, provider.id, error.kind);
  }
}

/** Handles the provider's answer. */
export async function comeBack(step: Step): Promise<void> {
  const { ctx, app } = step;
  const brought = await bringBack(vaultOf(app), ctx.querystring, boundTo(step));
  // The answer came twice or too late: show the current state.
  if (!brought) return goTo(step, 'connect');
  const { id } = brought.visit.provider;
  if ('problem' in brought) return failed(step, id, brought.problem);
  const [{ client, grant }, account, missing] = await Promise.all([
    partiesOf(step),
    findAccount(app.database, accountOf(step)),
    missingOf(step),
  ]);
  const allowed = missing.find(({ provider }) => provider.id === id)?.allowed;
  if (!account || !grant || !allowed) return goTo(step, 'connect');
  const session = await app.provider.Session.get(ctx as never);
  const refusal = await keepConnection(vaultOf(app), ctx, brought.arrival, { account, client, grant, allowed, session });
  if (refusal) return failed(step, id, refusal);
  await settle(step, [id]);
}

/** `decision=without`: the client gets its code and can ask for the connection later. */
export async function goOnWithout(step: Step, form: URLSearchParams): Promise<void> {
  if (form.get('decision') !== 'without') return goTo(step, 'connect');
  await settle(
    step,
    (await missingOf(step)).map(({ provider }) => provider.id),
  );
}

async function settle(step: Step, ids: string[]): Promise<void> {
  const connect: Connected = { done: [...doneBefore(step), ...ids] };
  await finish(step, { connect });
}

/** Redirects to the page with the reason why no connection was made. */
function failed(step: Step, provider: string, problem: string): void {
  step.ctx.state.logged = { ...step.ctx.state.logged, reason: `connect ${provider} ${problem}` };
  goTo(step, `connect?${new URLSearchParams({ provider, problem })}`);
}

const vaultOf = ({ database, keyRing, config }: App<SignInFeature>) => ({ database, keyRing, issuer: config.issuer });

const doneBefore = ({ interaction }: Step): string[] => (interaction.lastSubmission?.['connect'] as Connected | undefined)?.done ?? [];

const accountOf = ({ interaction }: Step): string => String(interaction.session?.accountId);

const boundTo = ({ interaction }: Step): string => `connect ${interaction.uid}`;

const goPath = (step: Step, { provider }: Connection): string => `${pathOf(step, 'connect/go')}?provider=${provider.id}`;

/** A user who has just consented goes to the provider at once. A user who returns, or who chooses among several, sees the page. */
function justConsented({ interaction }: Step): boolean {
  return interaction.lastSubmission?.['consent'] !== undefined && interaction.lastSubmission['connect'] === undefined;
}

/** The browser's back button leads here from the provider too: it must not send the user there again. */
async function firstTime({ interaction }: Step): Promise<boolean> {
  if (interaction.result?.['sent']) return false;
  interaction.result = { ...interaction.result, sent: true };
  await persist(interaction);
  return true;
}

async function partiesOf({ interaction, app: { provider } }: Step) {
  const [client, grant] = await Promise.all([
    provider.Client.find(String(interaction.params['client_id'])),
    interaction.grantId ? provider.Grant.find(interaction.grantId) : undefined,
  ]);
  if (!client) throw new AppError('invalid_client', { status: 400, reason: 'client_deleted_meanwhile' });
  return { client, grant };
}

async function missingOf(step: Step): Promise<Connection[]> {
  const { interaction, app } = step;
  const { client, grant } = await partiesOf(step);
  if (!grant || grant.accountId !== accountOf(step)) return [];
  const asked = String(interaction.params['scope'] ?? '').split(' ');
  const scopes = { servers: app.resourceServers, issuer: app.config.issuer };
  return missingConnections(app.database, scopes, { client, grant, asked, done: doneBefore(step) });
}

/** @returns a connection as the page shows it. */
async function describe(step: Step, connection: Connection) {
  const { provider, allowed } = connection;
  const language = languageOf(step.ctx);
  const identity = await identityAt(step.app.database, accountOf(step), provider.id);
  return {
    provider: provider.name,
    services: allowed.services.map(({ title, sensitive }) => ({ title: title[language], sensitive })),
    account: accountThere(identity),
    href: goPath(step, connection),
  };
}
