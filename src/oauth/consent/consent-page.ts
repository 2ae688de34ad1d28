import type { Client, Grant } from 'oidc-provider';
import type { Language } from '../../http/language.ts';
import { CLAIMS_OF_SCOPE, IDENTITY_SCOPES } from '../../people/claims.ts';
import { type Account, findAccount } from '../../people/store.ts';
import { DAY, systemClock } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import { displayName } from '../clients/display-name.ts';
import { logosOf } from '../clients/logo/store.ts';
import type { ResourceServer } from '../scopes/resource-servers.ts';
import { byProvider, describeScopes, type ScopeWords } from '../scopes/scope-words.ts';
import { countGrants } from '../store/grants.ts';
import { ttl } from '../tokens/token-policy.ts';
import { tickOf } from './answers.ts';
import { type Asked, type Requirement, requirementOf } from './asked.ts';
import { describeClient, describeDestination, initialOf, PEOPLE_COUNTED } from './client-facts.ts';
import { declinedScopes, grantedScopes } from './decision.ts';

/** Owns what stands on the consent page, for the person who decides there and for the developer who previews it. Does not own the decision. */

type Asking = {
  client: Client;
  account: Account;
  /** One that was checked; undefined when a device waits for the answer. */
  redirectUri: unknown;
  asked: Asked;
  /** What the person allowed before. */
  grant: Grant | undefined;
};

type Circumstances = { database: Database; resourceServers: readonly ResourceServer[]; issuer: string; language: Language };

/** What views/interaction/consent-body.eta reads, but for where its forms lead. */
export async function describeConsent(
  { database, resourceServers, issuer, language }: Circumstances,
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

/** The developer who made the client in the portal, by an address that was proven; undefined for a client that an operator made, or itself. */
async function ownerOf(database: Database, client: Client): Promise<string | undefined> {
  const [owner] = (client['owners'] ?? []) as string[];
  const account = owner === undefined ? undefined : await findAccount(database, owner);
  return account?.emailVerified ? account.email : undefined;
}

/** Why the app requires what it requires, in its own words (client member `required_scope_reason`). */
function reasonOf(client: Client, language: Language): string | undefined {
  const reason = client[`required_scope_reason#${language}`] ?? client['required_scope_reason'];
  return typeof reason === 'string' ? displayName(reason, '') || undefined : undefined;
}

export type Identity = {
  /** Claims that the app learns, each with a word in views/messages. */
  claims: string[];
  /** The line that stands for them. */
  summary: 'name_and_email' | 'name' | 'email' | 'number';
  /** Whether all of it was allowed before. */
  granted: boolean;
};

/** Name and e-mail are one item: all or nothing. A client may ask for less. */
function identityIn({ scopes, claims }: Asked, grant: Grant | undefined): Identity | undefined {
  const asked = scopes.filter(({ resource, name }) => resource === undefined && IDENTITY_SCOPES.includes(name)).map(({ name }) => name);
  if (!asked.length && !claims.length) return undefined;
  const told = new Set([...asked.flatMap((scope) => CLAIMS_OF_SCOPE[scope] ?? []), ...claims]);
  const [allowed, named] = [grantedScopes(grant, undefined), grant?.getOIDCClaims() ?? []];
  return {
    claims: Object.values(CLAIMS_OF_SCOPE)
      .flat()
      .filter((claim) => told.has(claim)),
    summary: summaryOf(told),
    granted: asked.every((name) => allowed.includes(name)) && claims.every((claim) => named.includes(claim)),
  };
}

function summaryOf(told: Set<string>): Identity['summary'] {
  if (told.has('name') && told.has('email')) return 'name_and_email';
  if (told.has('email')) return 'email';
  return told.has('name') ? 'name' : 'number';
}

/** What is asked now, what of it is theirs to choose, and what they allowed before: each provider's services stand together. */
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
