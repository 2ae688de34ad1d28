import type { Client, Grant } from 'oidc-provider';
import type { Language } from '../../http/language.ts';
import { CLAIMS_OF_SCOPE, IDENTITY_SCOPES } from '../../people/claims.ts';
import { type Account, findAccount } from '../../people/store.ts';
import { DAY, systemClock } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import type { App } from '../app.ts';
import { displayName } from '../clients/display-name.ts';
import { logosOf } from '../clients/logos.ts';
import { byProvider, describeScopes, type ScopeWords } from '../scopes/scope-words.ts';
import { countGrants } from '../store/grants.ts';
import { ttl } from '../tokens/token-policy.ts';
import { tickOf } from './answers.ts';
import { type Asked, type Requirement, requirementOf } from './asked.ts';
import { describeClient, describeDestination, initialOf, PEOPLE_COUNTED } from './client-facts.ts';
import { declinedScopes, grantedScopes } from './decision.ts';

/** Owns the data of the consent page, for the user who decides and for the developer who previews it. Does not own the decision. */

type Asking = {
  client: Client;
  account: Account;
  /** A redirect URI that was checked. Undefined when a device waits for the decision. */
  redirectUri: unknown;
  asked: Asked;
  /** What the user allowed before. */
  grant: Grant | undefined;
};

/** @returns the data that views/interaction/consent-body.eta reads, without the addresses of its forms. */
export async function describeConsent(
  { database, resourceServers, issuer, language }: Pick<App, 'database' | 'resourceServers'> & { issuer: string; language: Language },
  { client, account, redirectUri, asked, grant }: Asking,
) {
  const [people, owner, logos] = await Promise.all([
    countGrants(database, client.clientId, PEOPLE_COUNTED),
    ownerOf(database, client),
    logosOf(database, [client.clientId]),
  ]);
  const now = systemClock.now();
  const name = displayName(account.name, account.username);
  const known = { servers: resourceServers, issuer };
  const scopes = describeScopes(resourceServers, issuer, asked.scopes, language).map((scope) => ({
    ...scope,
    requirement: requirementOf(known, client, scope),
    tick: tickOf(scope, issuer),
    granted: grantedScopes(grant, scope.resource).includes(scope.name),
    declined: declinedScopes(grant, scope.resource).includes(scope.name),
  }));
  return {
    account: { name, initial: initialOf(name), email: account.email },
    client: { ...describeClient(client, logos.get(client.clientId), people, now, language), owner },
    destination: describeDestination(redirectUri, client),
    until: new Date(grant?.exp ? grant.exp * 1000 : now.getTime() + ttl.Grant * 1000),
    days: ttl.Grant / DAY,
    identity: identityIn(asked, grant),
    reason: reasonOf(client, language),
    ...inGroups(scopes),
  };
}

/**
 * @returns the verified e-mail address of the developer who created the client in the portal. Undefined for a client that an operator or
 * dynamic registration created.
 */
async function ownerOf(database: Database, client: Client): Promise<string | undefined> {
  const [owner] = (client['owners'] ?? []) as string[];
  const account = owner === undefined ? undefined : await findAccount(database, owner);
  return account?.emailVerified ? account.email : undefined;
}

/** @returns the app's own reason for the scopes that it requires (client member `required_scope_reason`). */
function reasonOf(client: Client, language: Language): string | undefined {
  const reason = client[`required_scope_reason#${language}`] ?? client['required_scope_reason'];
  return typeof reason === 'string' ? displayName(reason, '') || undefined : undefined;
}

export type Identity = {
  /** Claims that the app receives. Each has a name in views/messages. */
  claims: string[];
  /** The line on the page that sums up the claims. */
  summary: 'name_and_email' | 'name' | 'email' | 'number';
  /** Whether the user allowed all of it before. */
  granted: boolean;
};

/** Name and e-mail are one item: the user allows both or neither. A client may ask for less. */
function identityIn({ scopes, claims }: Asked, grant: Grant | undefined): Identity | undefined {
  const asked = scopes.filter(({ resource, name }) => resource === undefined && IDENTITY_SCOPES.includes(name)).map(({ name }) => name);
  if (!asked.length && !claims.length) return undefined;
  const claimNames = new Set([...asked.flatMap((scope) => CLAIMS_OF_SCOPE[scope] ?? []), ...claims]);
  const [allowed, named] = [grantedScopes(grant, undefined), grant?.getOIDCClaims() ?? []];
  return {
    claims: Object.values(CLAIMS_OF_SCOPE)
      .flat()
      .filter((claim) => claimNames.has(claim)),
    summary: summaryOf(claimNames),
    granted: asked.every((name) => allowed.includes(name)) && claims.every((claim) => named.includes(claim)),
  };
}

function summaryOf(claimNames: Set<string>): Identity['summary'] {
  if (claimNames.has('name') && claimNames.has('email')) return 'name_and_email';
  if (claimNames.has('email')) return 'email';
  return claimNames.has('name') ? 'name' : 'number';
}

/**
 * Sorts scopes into those to allow now, those that the user may choose, and those allowed before. Scopes of one provider stand together.
 */
function inGroups<Words extends ScopeWords & { granted: boolean; requirement: Requirement }>(all: Words[]) {
  const scopes = all.filter(({ requirement }) => requirement !== 'identity');
  const fresh = scopes.filter(({ granted }) => !granted);
  const optional = fresh.filter(({ requirement }) => requirement === 'optional');
  return {
    required: byProvider(fresh.filter(({ requirement }) => requirement === 'required')),
    optional: byProvider(optional),
    optionalCount: optional.length,
    granted: byProvider(scopes.filter(({ granted }) => granted)),
  };
}
