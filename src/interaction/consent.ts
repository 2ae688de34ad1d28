import type { Client, Grant } from 'oidc-provider';
import { findAccount } from '../accounts/store.ts';
import { auditEvent } from '../audit/events.ts';
import { type Decision, declinedScopes, grantedScopes } from '../authorization-server/decision.ts';
import { ttl } from '../authorization-server/token-policy.ts';
import { displayName } from '../clients/display-name.ts';
import type { Scope } from '../clients/resource-servers.ts';
import { byProvider, describeScopes, type ScopeWords } from '../clients/scope-words.ts';
import { languageOf } from '../http/language.ts';
import { render } from '../http/render.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { visitorOf } from '../http/visitor.ts';
import { DAY, systemClock } from '../platform/clock.ts';
import { AppError } from '../platform/errors.ts';
import type { Answer } from '../protocol-store/decisions.ts';
import { countGrants } from '../protocol-store/grants.ts';
import { write } from '../protocol-store/unit-of-work.ts';
import { describeClient, describeDestination, initialOf, PEOPLE_COUNTED } from './client-facts.ts';
import { finish } from './finish.ts';
import type { Interaction, Services, Step } from './step.ts';

/** Owns the consent decision. Does not decide whether consent is needed: see interaction-policy.ts. */

/** What is asked for at one resource server; `resource` is absent for the server's own API. */
type Request = { resource?: string; scopes: Scope[] };

export async function showConsent({ ctx, interaction, csrf, services }: Step): Promise<void> {
  const clientId = String(interaction.params['client_id']);
  const [client, grant, account, people] = await Promise.all([
    findClient(services, clientId),
    findGrant(services, interaction),
    findAccount(services.database, String(interaction.session?.accountId)),
    countGrants(services.database, clientId, PEOPLE_COUNTED),
  ]);
  if (!account) throw new AppError('interaction_expired', { status: 400, reason: 'account_gone' });
  const destination = describeDestination(interaction.params['redirect_uri']);
  if (destination) allowFormAction(ctx, String(interaction.params['redirect_uri']));
  const name = displayName(account.name, account.username);
  const asked = requestedScopes(services, interaction).flatMap(({ resource, scopes }) =>
    scopes.map((scope) => ({ resource, name: scope.name })),
  );
  render(ctx, 'interaction/consent', {
    csrf,
    action: `/interaction/${interaction.uid}/consent`,
    anotherAccountAction: `/interaction/${interaction.uid}/another-account`,
    account: { name, initial: initialOf(name), email: account.email },
    client: describeClient(client, people, systemClock.now(), languageOf(ctx)),
    destination,
    until: new Date(grant?.exp ? grant.exp * 1000 : systemClock.now().getTime() + ttl.Grant * 1000),
    days: ttl.Grant / DAY,
    ...inGroups(
      describeScopes(services.resourceServers, services.config.issuer, asked, languageOf(ctx)).map((scope) => ({
        ...scope,
        granted: grantedScopes(grant, scope.resource).includes(scope.name),
        declined: declinedScopes(grant, scope.resource).includes(scope.name),
      })),
    ),
  });
}

/** What is asked now, what of it is theirs to choose, and what they allowed before: each provider's services stand together. */
function inGroups<Words extends ScopeWords & { granted: boolean }>(scopes: Words[]) {
  const fresh = scopes.filter(({ granted }) => !granted);
  return {
    required: fresh.filter(({ required }) => required),
    optional: byProvider(fresh.filter(({ required }) => !required)),
    granted: byProvider(scopes.filter(({ granted }) => granted)),
  };
}

/**
 * Takes what the person decided to where it is kept along with the code, existing-grant.ts. What is asked comes from the stored
 * request, never from the form: the form only says which of the optional scopes stay (checkboxes `scope`), and `decision`.
 */
export async function decideConsent(step: Step, form: URLSearchParams): Promise<void> {
  const { interaction, services } = step;
  const accountId = String(interaction.session?.accountId);
  if (form.getAll('decision').join() !== 'approve') return denyConsent(step, accountId);
  await findClient(services, String(interaction.params['client_id']));
  const decision: Decision = {
    accountId,
    answers: answersOf(requestedScopes(services, interaction), new Set(form.getAll('scope'))),
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
function answersOf(requests: Request[], ticked: Set<string>): Answer[] {
  return requests.map(({ scopes, ...at }) => {
    const allowed = scopes.filter(({ name, required }) => required || ticked.has(name)).map(({ name }) => name);
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
