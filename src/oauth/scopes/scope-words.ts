import type { Language } from '../../http/language.ts';
import { displayName, readableHost } from '../clients/display-name.ts';
import type { ResourceServer } from './resource-servers.ts';

/**
 * Owns how pages describe scopes: one sentence each, the same on the consent page, in the list of connected apps and in the portal.
 * Does not decide what was asked, allowed or declined: see allowedScopes() of oauth/store/decisions.ts.
 */

/** A scope of a resource server. Without `resource` it belongs to the server's own API, as in a grant. */
export type ScopeAt = { resource?: string | undefined; name: string };

export type ScopeWords = ScopeAt & {
  /** The name of the API, unless it is the server's own. */
  api?: string;
  /** The host of the API when it has another origin. The page shows it, because the API's owner chose the name. */
  host?: string;
  /** The upstream provider that an app reaches with this scope. */
  provider?: { id: string; name: string };
  title: string;
  sensitive: boolean;
};

/** @returns the name of an API in a language. */
export const nameIn = ({ name, names }: Pick<ResourceServer, 'name' | 'names'>, language: Language): string => names?.[language] ?? name;

/**
 * @returns the sentences for some scopes, each once, in reading order: the server's own API, then upstream providers, then other APIs.
 * A scope that its API no longer has is shown by its name, so that nothing allowed is hidden.
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
    const at =
      resource === undefined
        ? undefined
        : { resource, api: displayName(server && nameIn(server, language), resource), ...hostOf(resource, issuer) };
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
 * Groups scopes by provider and keeps their order. Scopes of APIs stand in groups without a heading. Without a provider there is one group.
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
