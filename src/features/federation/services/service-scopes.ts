import { type Client, errors } from 'oidc-provider';
import { TOKEN_EXCHANGE_GRANT } from '../../../oauth/clients/store.ts';
import type { ApiCatalog } from '../../../oauth/scopes/api-catalog.ts';
import type { ResourceServer } from '../../../oauth/scopes/resource-servers.ts';
import { type Service, scopeOf, type UpstreamProvider } from '../providers.ts';

/**
 * Owns what a scope of the form `provider:service` means: who may ask for it, and what the provider would be asked for in turn. An operator
 * alone says which clients may, since what is at stake are people's accounts somewhere else. What the provider gave is the vault's to say.
 */

/** By it alone a service scope opens anything (RFC 8693). */
export const TOKEN_EXCHANGE = TOKEN_EXCHANGE_GRANT;

/**
 * Whether an operator lets a client act for people at a provider. Neither half can be set by a registration request.
 */
export function mayReach(client: Client, providerId: string): boolean {
  const services = client['services'];
  return Array.isArray(services) && services.includes(providerId) && client.grantTypeAllowed(TOKEN_EXCHANGE);
}

/** What some scopes of ours come to at a provider. */
export type Reach = {
  services: Service[];
  /** Our names of those services. */
  scopes: string[];
  /** What the provider is asked for: all that one of the services needs, each once. */
  upstreamScopes: string[];
};

/** @param scopes of the server's own API, among which others than the provider's count for nothing. */
export function reachOf(provider: UpstreamProvider, scopes: Iterable<string>): Reach {
  const named = new Set(scopes);
  const services = provider.services.filter((service) => named.has(scopeOf(provider, service)));
  return {
    services,
    scopes: services.map((service) => scopeOf(provider, service)),
    upstreamScopes: [...new Set(services.flatMap(({ upstreamScopes }) => upstreamScopes))],
  };
}

/** The providers that some scopes of the server's own API name, in the order people read them. @param issuer identifier of that API. */
export function providersNamed(
  servers: readonly ResourceServer[],
  issuer: string,
  scopes: Iterable<string>,
): { id: string; name: string }[] {
  const named = new Set(scopes);
  const own = servers.find(({ identifier }) => identifier === issuer)?.scopes ?? [];
  const found = own.flatMap(({ name, provider }) => (provider && named.has(name) ? [provider] : []));
  return [...new Map(found.map((provider) => [provider.id, provider])).values()];
}

/**
 * Judges the scopes of an authorization request, pushed or of a device alike. The library calls it when it knows the client and has
 * checked where the answer goes, so that the client hears of it (RFC 6749 section 4.1.2.1).
 */
export function judgeServiceScopes(catalog: Pick<ApiCatalog, 'find'>, issuer: string) {
  const providerOf = (scope: string) => catalog.find(issuer)?.scopes.find(({ name }) => name === scope)?.provider;

  /** @throws errors.InvalidScope for a service at a provider that no operator lets the client reach. */
  return async (asked: unknown, client: Client): Promise<void> => {
    if (typeof asked !== 'string') return;
    for (const scope of asked.split(' ')) {
      const provider = providerOf(scope);
      if (provider && !mayReach(client, provider.id))
        throw new errors.InvalidScope(
          `${scope} is not open to this client: an operator of this server has to let it act for people at ${provider.id}`,
          scope,
        );
    }
  };
}
