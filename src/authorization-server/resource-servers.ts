import { type Client, errors, type KoaContextWithOIDC, type ResourceServer as ResourceServerInfo } from 'oidc-provider';
import { adminApi, type ResourceServer } from '../clients/resource-servers.ts';
import { judgeServiceScopes } from './services/service-scopes.ts';

/** Owns what a resource indicator means here (RFC 8707). */

export type ResourcePolicy = ReturnType<typeof createResourcePolicy>;

/** @param servers all that are registered, the server's own API among them. @param issuer its identifier. */
export function createResourcePolicy(servers: ResourceServer[], issuer: string) {
  const byIdentifier = new Map(servers.map((server) => [server.identifier, server]));
  const openTo = (ctx: KoaContextWithOIDC, client: Client, identifier: string): string[] => {
    const server = byIdentifier.get(identifier);
    if (actsUnvouched(ctx, client, server)) return [];
    const scopes = server?.scopes ?? [];
    if (identifier === adminApi(issuer))
      return scopes.map(({ name }) => name).filter((name) => listOf(client['admin_scopes']).includes(name));
    // An app that acts for itself acts for nobody at a provider.
    return scopes.filter(({ provider }) => !provider || !actsForItself(ctx)).map(({ name }) => name);
  };

  return {
    /** Every scope that a client can register with. */
    scopes: [...new Set(servers.flatMap((server) => server.scopes.map(({ name }) => name)))],
    servers,
    issuer,
    judgeServiceScopes: judgeServiceScopes(servers, issuer),

    /** @throws errors.InvalidTarget for a resource nobody registered. */
    async getResourceServerInfo(ctx: KoaContextWithOIDC, indicator: string, client: Client): Promise<ResourceServerInfo> {
      const server = byIdentifier.get(indicator);
      if (!server)
        throw new errors.InvalidTarget('resource is not known to this server: its identifier must be written exactly as registered');
      if (indicator === adminApi(issuer) && !listOf(client['admin_scopes']).length)
        throw new errors.InvalidTarget(
          'the admin API is not open to this client: an operator of this server has to let it ask for some of its scopes',
        );
      return {
        scope: openTo(ctx, client, indicator).join(' '),
        audience: server.identifier,
        accessTokenTTL: server.accessTokenTtlSeconds,
        accessTokenFormat: server.tokenFormat,
        ...(server.tokenFormat === 'jwt' ? { jwt: { sign: { alg: 'ES256' } } } : undefined),
      };
    },

    /**
     * Without `resource` a request is for the server's own API: scopes of other APIs fall away, as unknown scopes do (RFC 6749 section 3.3).
     * The library asks this before it reads the scopes, which is why they are narrowed here. When several were granted, it asks with them.
     */
    async defaultResource(ctx: KoaContextWithOIDC, client: Client, oneOf?: string[]): Promise<string | string[]> {
      if (oneOf) return oneOf;
      const { params } = ctx.oidc;
      if (typeof params?.['scope'] === 'string') {
        const allowed = new Set(openTo(ctx, client, issuer));
        params['scope'] =
          params['scope']
            .split(' ')
            .filter((scope) => allowed.has(scope))
            .join(' ') || undefined;
      }
      return undefined as unknown as string;
    },
  };
}

/**
 * A client that registered itself may hold a token of its own, but one that opens nothing: a scope takes somebody's word,
 * a person's on the consent page, an operator's, or that of whoever looks after the API and the client alike.
 */
function actsUnvouched(ctx: KoaContextWithOIDC, client: Client, server: ResourceServer | undefined): boolean {
  if (!actsForItself(ctx) || client['dynamically_registered'] !== true) return false;
  return !server?.ownerId || !listOf(client['owners']).includes(server.ownerId);
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

const actsForItself = ({ oidc }: KoaContextWithOIDC): boolean =>
  oidc.route === 'token' && oidc.params?.['grant_type'] === 'client_credentials';
