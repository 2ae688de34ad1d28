import type { Client, Grant } from 'oidc-provider';
import { findAccount } from '../accounts/store.ts';
import { auditEvent } from '../audit/events.ts';
import { describeConsent } from '../authorization-server/consent/consent-page.ts';
import { type Decision, tickOf } from '../authorization-server/consent/decision.ts';
import type { Scope } from '../clients/resource-servers.ts';
import { languageOf } from '../http/language.ts';
import { render } from '../http/render.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { visitorOf } from '../http/visitor.ts';
import { AppError } from '../platform/errors.ts';
import type { Answer } from '../protocol-store/decisions.ts';
import { write } from '../protocol-store/unit-of-work.ts';
import { finish } from './finish.ts';
import type { Interaction, Services, Step } from './step.ts';

/** Owns the consent decision. Does not decide whether consent is needed: see interaction-policy.ts. */

/** What is asked for at one resource server; `resource` is absent for the server's own API. */
type Request = { resource?: string; scopes: Scope[] };

export async function showConsent({ ctx, interaction, csrf, services }: Step): Promise<void> {
  const { database, resourceServers, config } = services;
  const [client, grant, account] = await Promise.all([
    findClient(services, String(interaction.params['client_id'])),
    findGrant(services, interaction),
    findAccount(database, String(interaction.session?.accountId)),
  ]);
  if (!account) throw new AppError('interaction_expired', { status: 400, reason: 'account_gone' });
  const redirectUri = interaction.params['redirect_uri'];
  if (typeof redirectUri === 'string') allowFormAction(ctx, redirectUri);
  const asked = requestedScopes(services, interaction).flatMap(({ resource, scopes }) =>
    scopes.map((scope) => ({ resource, name: scope.name })),
  );
  render(ctx, 'interaction/consent', {
    csrf,
    action: `/interaction/${interaction.uid}/consent`,
    anotherAccountAction: `/interaction/${interaction.uid}/another-account`,
    ...(await describeConsent(
      { database, resourceServers, issuer: config.issuer, language: languageOf(ctx) },
      { client, account, redirectUri, asked, grant },
    )),
  });
}

/**
 * Takes what the person decided to where it is kept along with the code, existing-grant.ts. What is asked comes from the stored
 * request, never from the form: the form only says which of the optional scopes stay (checkboxes `scope`, each by its tickOf()), and `decision`.
 */
export async function decideConsent(step: Step, form: URLSearchParams): Promise<void> {
  const { interaction, services } = step;
  const accountId = String(interaction.session?.accountId);
  if (form.getAll('decision').join() !== 'approve') return denyConsent(step, accountId);
  await findClient(services, String(interaction.params['client_id']));
  const decision: Decision = {
    accountId,
    answers: answersOf(requestedScopes(services, interaction), new Set(form.getAll('scope')), services.config.issuer),
  };
  await finish(step, { consent: decision });
}

async function denyConsent(step: Step, accountId: string): Promise<void> {
  const { ctx, interaction, services } = step;
  // A second click says nothing new.
  if (interaction.result?.error === undefined)
    await write(services.database, {
      purpose: 'keep',
      subject: `AuditEvent denial ${interaction.uid}`,
      statement: auditEvent(visitorOf(ctx), { type: 'consent_denied', accountId, clientId: String(interaction.params['client_id']) }),
    });
  await finish(step, { error: 'access_denied', error_description: 'the person denied the request' });
}

/** A required scope is allowed with the rest, an optional one where it was ticked. */
function answersOf(requests: Request[], ticked: Set<string>, issuer: string): Answer[] {
  return requests.map(({ scopes, ...at }) => {
    const allowed = scopes.filter(({ name, required }) => required || ticked.has(tickOf({ ...at, name }, issuer))).map(({ name }) => name);
    return { ...at, allowed, declined: scopes.map(({ name }) => name).filter((name) => !allowed.includes(name)) };
  });
}

/** The scopes of the stored request, by the resource server that knows them. */
function requestedScopes({ resourceServers, config }: Services, { params }: Interaction): Request[] {
  const wanted = new Set(String(params['scope'] ?? '').split(' '));
  const indicators = [(params['resource'] as string | string[] | undefined) ?? []].flat();
  // The library grants the scopes of the server itself beside those of any resource that was named.
  return resourceServers
    .filter(({ identifier }) => identifier === config.issuer || indicators.includes(identifier))
    .map(({ identifier, scopes }) => ({
      ...(identifier === config.issuer ? undefined : { resource: identifier }),
      scopes: scopes.filter(({ name }) => wanted.has(name)),
    }))
    .filter(({ scopes }) => scopes.length > 0);
}

async function findClient({ provider }: Services, clientId: string): Promise<Client> {
  const client = await provider.Client.find(clientId);
  if (!client) throw new AppError('invalid_client', { status: 400, reason: 'client_deleted_meanwhile' });
  return client;
}

/** The grant that this adds to. */
async function findGrant({ provider }: Services, { grantId }: Interaction): Promise<Grant | undefined> {
  return grantId ? provider.Grant.find(grantId) : undefined;
}
