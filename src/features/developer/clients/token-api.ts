import { type Language, languageOf } from '../../../http/language.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { adminApi, isSample, type ResourceServer } from '../../../oauth/scopes/resource-servers.ts';
import { nameIn } from '../../../oauth/scopes/scope-words.ts';
import type { Visit } from '../../../pages/own-pages.ts';
import { IDENTITY_SCOPES } from '../../../people/claims.ts';
import { isNear, registeredScopes } from './scope-choice.ts';

/**
 * Owns which API the tokens of a client are for. The portal's tools name it in every request, as `resource` (RFC 8707 section 2). The owner's
 * choice is the member `resource` of the client's metadata. Without a choice, the registered scopes imply the API.
 */

/** `name` is null for this server's own API. */
export type ApiOption = { identifier: string; name: string | null; chosen: boolean };

export type TokenApi = {
  /** The value of `resource`; undefined for this server's own API. */
  resource: string | undefined;
  /** The API's name; undefined for this server's own. */
  name: string | undefined;
  /** The registered scopes that a request for this API can have; undefined for a client without registered scopes. */
  scopes: string[] | undefined;
  /** The APIs to choose from, this server's own first. */
  options: ApiOption[];
};

/** @returns the chosen API of a client, and what else its owner can choose. */
export function tokenApi(visit: Visit, { metadata }: Pick<ClientRecord, 'metadata'>): TokenApi {
  const { issuer } = visit.app.config;
  const language = languageOf(visit.ctx);
  const registered = registeredScopes(metadata);
  const servers = apisFor(visit, metadata);
  const own = servers.find(({ identifier }) => identifier === issuer);
  const chosen = servers.find(({ identifier }) => identifier === metadata['resource']) ?? impliedBy(registered ?? [], servers, own) ?? own;
  const other = chosen && chosen !== own ? chosen : undefined;
  return {
    resource: other?.identifier,
    name: other && nameOfApi(other, language),
    scopes: registered && scopesFor(registered, own, other),
    options: servers.map((server) => ({
      identifier: server.identifier,
      name: server === own ? null : nameOfApi(server, language),
      chosen: server === chosen,
    })),
  };
}

/** @returns the scopes for one request: registered ones, or a name and an email together with the scopes of the API. */
export function scopesToAsk({ scopes, resource }: TokenApi, servers: readonly ResourceServer[]): string[] {
  if (scopes) return scopes;
  const server = servers.find(({ identifier }) => identifier === resource);
  return [...IDENTITY_SCOPES, ...(server?.scopes.filter(({ isDefault }) => isDefault).map(({ name }) => name) ?? [])];
}

/** @returns the APIs that an owner can choose: this server's, the owner's, those of registered scopes, and the one chosen before. */
export function apisFor({ account, app }: Visit, metadata: Record<string, unknown> = {}): ResourceServer[] {
  const { issuer, environment } = app.config;
  const registered = registeredScopes(metadata) ?? [];
  const own = app.resourceServers.filter(({ identifier }) => identifier === issuer);
  const ownNames = new Set(own.flatMap(({ scopes }) => scopes.map(({ name }) => name)));
  const others = app.resourceServers.filter((server) => {
    if ([issuer, adminApi(issuer)].includes(server.identifier)) return false;
    if (server.identifier === metadata['resource'] || offersOneOf(server, registered, ownNames)) return true;
    return isNear(server, issuer, account.id) && !(environment === 'production' && isSample(issuer, server.identifier));
  });
  return [...own, ...others];
}

const offersOneOf = ({ scopes }: ResourceServer, names: string[], except: Set<string>): boolean =>
  scopes.some(({ name }) => names.includes(name) && !except.has(name));

/** The server implies an API for a request in the same way: see scope-rules.ts. */
function impliedBy(registered: string[], servers: ResourceServer[], own: ResourceServer | undefined): ResourceServer | undefined {
  const ownNames = new Set(own?.scopes.map(({ name }) => name));
  const others = registered.filter((name) => !ownNames.has(name));
  if (!others.length) return undefined;
  const fitting = servers.filter((server) => server !== own && offersOneOf(server, others, ownNames));
  return fitting.find(({ scopes }) => others.every((name) => scopes.some((scope) => scope.name === name))) ?? fitting[0];
}

/** A request for another API can also have identity scopes, whose claims the ID token carries. */
function scopesFor(registered: string[], own: ResourceServer | undefined, other: ResourceServer | undefined): string[] {
  const has = (server: ResourceServer | undefined, name: string) => server?.scopes.some((scope) => scope.name === name) ?? false;
  const beside = (name: string) => name === 'offline_access' || IDENTITY_SCOPES.includes(name);
  const kept = registered.filter((name) => beside(name) || has(other ?? own, name));
  return kept.length ? kept : registered;
}

const nameOfApi = (server: ResourceServer, language: Language): string => displayName(nameIn(server, language), server.identifier);
