import { type Client, errors } from 'oidc-provider';
import { TOKEN_EXCHANGE_GRANT } from '../../../oauth/clients/store.ts';
import type { ApiCatalog } from '../../../oauth/scopes/api-catalog.ts';
import type { ResourceServer } from '../../../oauth/scopes/resource-servers.ts';
import { type Service, scopeOf, type UpstreamProvider } from '../providers.ts';

/**
 * Owns the meaning of a scope `provider:service`: which clients may request it, and which scopes we request from the provider. Only an
 * operator decides which clients may, since users' accounts elsewhere are at stake. Does not own the issued tokens: see vault.ts.
 */

/** The only grant type with which a service scope gives access (RFC 8693). */
export const TOKEN_EXCHANGE = TOKEN_EXCHANGE_GRANT;

/** @returns whether an operator lets a client act for users at a provider. A registration request can set neither half of it. */
export function mayReach(client: Client, providerId: string): boolean {
  const services = client['services'];
  return Array.isArray(services) && services.includes(providerId) && client.grantTypeAllowed(TOKEN_EXCHANGE);
}

/** The services at a provider that some scopes of ours name. */
export type Reach = {
  services: Service[];
  /** Our scopes of those services. */
  scopes: string[];
  /** The scopes to request from the provider: what the services need, without duplicates. */
  upstreamScopes: string[];
};

/** @param scopes scopes of the server's own API. Those of other providers are ignored. */
export function reachOf(provider: UpstreamProvider, scopes: Iterable<string>): Reach {
  const named = new Set(scopes);
  const services = provider.services.filter((service) => named.has(scopeOf(provider, service)));
  return {
    services,
    scopes: services.map((service) => scopeOf(provider, service)),
    upstreamScopes: [...new Set(services.flatMap(({ upstreamScopes }) => upstreamScopes))],
  };
}

/**
 * @returns the providers that some scopes of the server's own API name, in the order in which users see them. @param issuer the identifier
 * of that API.
 */
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
 * Validates the scopes of an authorization request, a pushed request and a device request. The library calls it once it knows the client
 * and has checked the redirect URI, so the client receives the error (RFC 6749 section 4.1.2.1).
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
