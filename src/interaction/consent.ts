import type { Client, Grant } from 'oidc-provider';
import { findAccount } from '../accounts/store.ts';
import type { Scope } from '../clients/resource-servers.ts';
import { languageOf } from '../http/language.ts';
import { render } from '../http/render.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { AppError } from '../platform/errors.ts';
import { finish } from './finish.ts';
import type { Interaction, Services, Step } from './step.ts';

/** Owns the consent decision. Does not decide whether consent is needed: see interaction-policy.ts. */

/** What is asked for at one resource server; `resource` is absent for the server's own API. */
type Request = { resource?: string; scopes: Scope[] };

export async function showConsent({ ctx, interaction, csrf, services }: Step): Promise<void> {
  const [client, grant, account] = await Promise.all([
    findClient(services, interaction),
    findGrant(services, interaction),
    findAccount(services.database, String(interaction.session?.accountId)),
  ]);
  if (!account) throw new AppError('interaction_expired', { status: 400, reason: 'account_gone' });
  // A device's request has none (RFC 8628 section 3.1): it is answered where the device waits.
  const redirectUri = URL.parse(String(interaction.params['redirect_uri']));
  if (redirectUri) allowFormAction(ctx, redirectUri.href);
  render(ctx, 'interaction/consent', {
    csrf,
    action: `/interaction/${interaction.uid}/consent`,
    account: { name: account.name, email: account.email },
    client: describe(client),
    destination: redirectUri && (redirectUri.host || `${redirectUri.protocol}//`),
    onThisDevice: client.applicationType === 'native',
    scopes: requestedScopes(services, interaction).flatMap(({ resource, scopes }) =>
      scopes.map(({ name, required, sensitive, title }) => ({
        name,
        required,
        sensitive,
        title: title[languageOf(ctx)],
        granted: grantedScopes(grant, resource).includes(name),
      })),
    ),
  });
}

/**
 * Keeps what the person decided. What is asked comes from the stored request, never from the form:
 * the form only says which of the optional scopes stay (checkboxes `scope`), and `decision`.
 */
export async function decideConsent(step: Step, form: URLSearchParams): Promise<void> {
  const { interaction, services } = step;
  if (form.get('decision') !== 'approve')
    return finish(step, { error: 'access_denied', error_description: 'the person denied the request' });
  const ticked = new Set(form.getAll('scope'));
  const { provider } = services;
  const grant =
    (await findGrant(services, interaction)) ??
    new provider.Grant({ accountId: String(interaction.session?.accountId), clientId: String(interaction.params['client_id']) });
  const requests = requestedScopes(services, interaction);
  // The library counts every scope it knows as the server's own too; there those of other resources are answered with no, or it would ask again.
  settle(
    grant,
    undefined,
    [],
    requests.flatMap(({ resource, scopes }) => (resource ? scopes.map(({ name }) => name) : [])),
  );
  for (const { resource, scopes } of requests) {
    const [allowed, denied] = [
      scopes.filter(({ name, required }) => required || ticked.has(name)),
      scopes.filter(({ name, required }) => !required && !ticked.has(name)),
    ];
    settle(
      grant,
      resource,
      allowed.map(({ name }) => name),
      denied.map(({ name }) => name),
    );
  }
  await finish(step, { consent: { grantId: await grant.save() } });
}

/** The newest word counts: an allowed scope is no longer rejected, a rejected one no longer allowed; what was not asked stays. */
function settle(grant: Grant, resource: string | undefined, allowed: string[], denied: string[]): void {
  const without = (scopes: string, gone: string[]) =>
    scopes
      .split(' ')
      .filter((scope) => scope && !gone.includes(scope))
      .join(' ');
  const rejected = (resource ? grant.getRejectedResourceScope(resource) : grant.getRejectedOIDCScope()) as unknown as string;
  const granted = grantedScopes(grant, resource).join(' ');
  const next = { granted: without([granted, ...allowed].join(' '), denied), rejected: without([rejected, ...denied].join(' '), allowed) };
  grant.rejected ??= {};
  if (resource) {
    grant.resources = { ...grant.resources, [resource]: next.granted };
    grant.rejected.resources = { ...grant.rejected.resources, [resource]: next.rejected };
  } else {
    grant.openid = { ...grant.openid, scope: next.granted };
    grant.rejected.openid = { ...grant.rejected.openid, scope: next.rejected };
  }
}

function grantedScopes(grant: Grant | undefined, resource: string | undefined): string[] {
  const scopes = resource ? grant?.getResourceScope(resource) : grant?.getOIDCScope();
  return String(scopes ?? '')
    .split(' ')
    .filter(Boolean);
}

/** The scopes of the stored request, by the resource server that knows them, in the order people read them. */
function requestedScopes({ resourceServers, config }: Services, { params }: Interaction): Request[] {
  const wanted = new Set(String(params['scope'] ?? '').split(' '));
  const indicators = [(params['resource'] as string | string[] | undefined) ?? []].flat();
  const own = resourceServers.find(({ identifier }) => identifier === config.issuer);
  // The library grants the scopes of the server itself beside those of any resource that was named.
  const asked: Request[] = [
    { scopes: own?.scopes ?? [] },
    ...resourceServers
      .filter(({ identifier }) => indicators.includes(identifier))
      .map(({ identifier, scopes }) => ({ resource: identifier, scopes })),
  ];
  return asked
    .map((request) => ({ ...request, scopes: request.scopes.filter(({ name }) => wanted.has(name)) }))
    .filter(({ scopes }) => scopes.length > 0);
}

async function findClient({ provider }: Services, { params }: Interaction): Promise<Client> {
  const client = await provider.Client.find(String(params['client_id']));
  if (!client) throw new AppError('invalid_client', { status: 400, reason: 'client_deleted_meanwhile' });
  return client;
}

/** The grant that this adds to: an earlier request's, or the one that this same form made when it was sent before, by a double click. */
async function findGrant({ provider }: Services, { grantId, result }: Interaction): Promise<Grant | undefined> {
  const known = result?.consent?.grantId ?? grantId;
  return known ? provider.Grant.find(known) : undefined;
}

function describe(client: Client) {
  return {
    name: client.clientName ?? client.clientId,
    selfRegistered: client['dynamically_registered'] === true,
    registeredAt: client.clientIdIssuedAt ? new Date(client.clientIdIssuedAt * 1000) : undefined,
    policyUri: client.policyUri,
    tosUri: client.tosUri,
  };
}
