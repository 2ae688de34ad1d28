import type { Language } from '../../http/language.ts';
import { displayName, readableHost } from '../clients/display-name.ts';
import type { ResourceServer } from './resource-servers.ts';

/**
 * Owns how scopes are told to people: a sentence each, the same on the consent page, among a person's connected apps and in the portal.
 * What was asked, allowed or declined is not decided here: see allowedScopes() of oauth/store/decisions.ts for what a grant allows.
 */

/** A scope at a resource server; without `resource` the server's own API is meant, as in a grant. */
export type ScopeAt = { resource?: string | undefined; name: string };

export type ScopeWords = ScopeAt & {
  /** Which API, when it is not the server's own. */
  api?: string;
  /** Where that API is, when it is somebody else's: what it is called is its owner's to say. */
  host?: string;
  /** Whose service an app reaches with it, when it is one of an upstream provider. */
  provider?: { id: string; name: string };
  title: string;
  sensitive: boolean;
};

/**
 * The sentences for some scopes, each scope once, in the order people read them: the server's own API first, then what apps do for them
 * at upstream providers, then the other APIs.
 * A scope that its API has dropped since is told by its name: what was allowed is not kept quiet.
 * @param issuer the identifier of the server's own API.
 */
export function describeScopes(
  servers: readonly ResourceServer[],
  issuer: string,
  scopes: Iterable<ScopeAt>,
  language: Language,
): ScopeWords[] {
  const asked = [...scopes];
  const wanted = new Set<string>(asked.map(({ resource }) => resource ?? issuer));
  const known = new Map(servers.filter(({ identifier }) => wanted.has(identifier)).map((server) => [server.identifier, server]));
  const resources = [undefined, ...known.keys(), ...asked.map(({ resource }) => resource)];
  return [...new Set(resources)].flatMap((resource) => {
    const server = known.get(resource ?? issuer);
    const names = new Set(asked.filter((scope) => scope.resource === resource).map(({ name }) => name));
    const there = (server?.scopes ?? []).filter(({ name }) => names.has(name));
    const dropped = [...names].filter((name) => !there.some((scope) => scope.name === name));
    const at = resource === undefined ? undefined : { resource, api: displayName(server?.name, resource), ...hostOf(resource, issuer) };
    const words: ScopeWords[] = [
      ...there.map(({ name, title, sensitive, provider }) => ({
        ...at,
        ...(provider && { provider }),
        name,
        title: title[language],
        sensitive,
      })),
      ...dropped.map((name) => ({ ...at, name, title: name, sensitive: false })),
    ];
    return [...words.filter(({ provider }) => !provider), ...words.filter(({ provider }) => provider)];
  });
}

function hostOf(identifier: string, issuer: string): { host: string } | undefined {
  const url = URL.parse(identifier);
  return url?.host && url.origin !== new URL(issuer).origin ? { host: readableHost(url.host) ?? url.host } : undefined;
}

export type ScopeGroup<Words extends ScopeWords> = { provider?: { id: string; name: string }; scopes: Words[] };

/**
 * Scopes as they stand under headings, in the order they came: each provider's under its own, and before and after those, without one, what
 * the APIs have. Where there is no provider's, all stand together.
 */
export function byProvider<Words extends ScopeWords>(scopes: Words[]): ScopeGroup<Words>[] {
  const groups: ScopeGroup<Words>[] = [];
  for (const scope of scopes) {
    const last = groups.at(-1);
    if (last && last.provider?.id === scope.provider?.id) last.scopes.push(scope);
    else groups.push({ ...(scope.provider && { provider: scope.provider }), scopes: [scope] });
  }
  return groups;
}
