import type { Client, Grant } from 'oidc-provider';
import type { Account } from '../../accounts/store.ts';
import { displayName } from '../../clients/display-name.ts';
import type { ResourceServer } from '../../clients/resource-servers.ts';
import { byProvider, describeScopes, type ScopeAt, type ScopeWords } from '../../clients/scope-words.ts';
import type { Language } from '../../http/language.ts';
import { DAY, systemClock } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import { countGrants } from '../../protocol-store/grants.ts';
import { ttl } from '../token-policy.ts';
import { describeClient, describeDestination, initialOf, PEOPLE_COUNTED } from './client-facts.ts';
import { declinedScopes, grantedScopes, tickOf } from './decision.ts';

/** Owns what stands on the consent page, for whoever decides there and for whoever looks at it beforehand in the portal. Does not own the decision. */

type Asking = {
  client: Client;
  account: Account;
  /** One that was checked; undefined when a device waits for the answer. */
  redirectUri: unknown;
  asked: ScopeAt[];
  /** What the person allowed before. */
  grant: Grant | undefined;
};

type Circumstances = { database: Database; resourceServers: ResourceServer[]; issuer: string; language: Language };

/** What views/interaction/consent-body.eta reads, but for where its forms lead. */
export async function describeConsent(
  { database, resourceServers, issuer, language }: Circumstances,
  { client, account, redirectUri, asked, grant }: Asking,
) {
  const people = await countGrants(database, client.clientId, PEOPLE_COUNTED);
  const now = systemClock.now();
  const name = displayName(account.name, account.username);
  return {
    account: { name, initial: initialOf(name), email: account.email },
    client: describeClient(client, people, now, language),
    destination: describeDestination(redirectUri),
    until: new Date(grant?.exp ? grant.exp * 1000 : now.getTime() + ttl.Grant * 1000),
    days: ttl.Grant / DAY,
    ...inGroups(
      describeScopes(resourceServers, issuer, asked, language).map((scope) => ({
        ...scope,
        tick: tickOf(scope, issuer),
        granted: grantedScopes(grant, scope.resource).includes(scope.name),
        declined: declinedScopes(grant, scope.resource).includes(scope.name),
      })),
    ),
  };
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
