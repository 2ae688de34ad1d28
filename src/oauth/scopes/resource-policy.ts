import { type Client, errors, type KoaContextWithOIDC, type ResourceServer as ResourceServerInfo } from 'oidc-provider';
import { IDENTITY_SCOPES } from '../../people/claims.ts';
import type { ProtocolFeature } from '../feature.ts';
import { type OpenApi, type Settled, scopesIn, settleScopes } from '../requests/scope-rules.ts';
import type { ApiCatalog } from './api-catalog.ts';
import { adminApi, type ResourceServer } from './resource-servers.ts';

/** Owns the meaning of a resource indicator (RFC 8707), and which scopes of which API a client may use. */

export type ResourcePolicy = ReturnType<typeof createResourcePolicy>;

/** The second audience of a token when the client named no API and `openid` was granted. Clients expect `openid` to open userinfo. */
export const userinfoOf = (issuer: string): string => `${issuer}/oauth/userinfo`;

/** @param catalog of all registered APIs, the server's own included. @param issuer its identifier. */
export function createResourcePolicy(catalog: ApiCatalog, issuer: string, features: readonly Pick<ProtocolFeature, 'judgeScopes'>[] = []) {
  const userinfo = userinfoOf(issuer);
  const judges = features.flatMap((feature) => feature.judgeScopes?.(catalog, issuer) ?? []);

  const openTo = (client: Client, server: ResourceServer, forItself: boolean): OpenApi => {
    const { identifier, resourceRequired } = server;
    const isOpen = ({ name, provider }: ResourceServer['scopes'][number]) =>
      identifier === adminApi(issuer)
        ? listOf(client['admin_scopes']).includes(name)
        : // A client that acts for itself represents no user at a provider.
          !provider || !forItself;
    return { identifier, resourceRequired, scopes: isUnvouched(client, server, forItself) ? [] : server.scopes.filter(isOpen) };
  };

  /** @returns the registered identifier of the API that a client named; an unknown one as sent. */
  const identifierOf = (sent: string): string => {
    if (catalog.find(sent)) return sent;
    // An empty query counts as none. RFC 3986 section 6.2.3 leaves it to the scheme, and no two APIs here differ by it.
    const plain = sent.replace(/\?$/, '');
    if (catalog.find(plain)) return plain;
    if (plain === userinfo) return issuer;
    // An identifier without a path equals the one with a slash: URL libraries add it (RFC 3986 section 6.2.3).
    const [bare, slashed] = [origin(plain), `${origin(plain)}/`];
    return (isOrigin(plain) ? (catalog.find(bare) ?? catalog.find(slashed))?.identifier : undefined) ?? sent;
  };

  /** The APIs that a request can mean, the server's own first: named ones, and those that offer a requested or registered scope. */
  const meantBy = (names: string[], resources: string[]): ResourceServer[] => {
    const own = catalog.find(issuer);
    const named = resources.flatMap((resource) => catalog.find(resource) ?? []);
    return [...new Set([...(own ? [own] : []), ...named, ...names.flatMap((name) => catalog.offering(name))])];
  };

  return {
    /** Every scope that a client can register. */
    get scopes() {
      return catalog.scopes;
    },
    servers: catalog.servers,
    find: catalog.find,
    issuer,
    identifierOf,

    /** @returns the settled scopes and resources of a request. @param forItself for the client credentials grant. */
    settle(client: Client, scope: string | undefined, resources: string[], forItself: boolean): Settled {
      const registered = typeof client.scope === 'string' ? scopesIn(client.scope) : undefined;
      const named = [...new Set(resources.filter(Boolean).map(identifierOf))];
      const meant = meantBy([...scopesIn(scope), ...(registered ?? [])], named);
      const [first, ...others] = meant.map((server) => openTo(client, server, forItself));
      if (!first || !catalog.find(issuer)) return { scopes: scopesIn(scope), resources, implied: false };
      const settled = settleScopes({ apis: [first, ...others], scope, resources: named, registered, forItself });
      if ('refusal' in settled) return settled;
      const scopes = settled.scopes.filter((name) => name !== 'offline_access' || mayStayOffline(client, forItself));
      const opensUserinfo = settled.implied && !forItself && scopes.includes('openid');
      return { ...settled, scopes, resources: opensUserinfo ? [...settled.resources, userinfo] : settled.resources };
    },

    /**
     * The library calls this when it knows the client and has verified the redirect URI. So the client receives any error
     * (RFC 6749 section 4.1.2.1).
     */
    async completeScope(ctx: KoaContextWithOIDC, _scope: unknown, client: Client): Promise<void> {
      throwRefusal(ctx);
      const { params } = ctx.oidc;
      // The library drops `offline_access` unless prompt=consent is sent (OIDC Core section 11). Here the user decides about it as about
      // any scope.
      if (params?.['scope_as_settled'] !== undefined) params['scope'] = params['scope_as_settled'];
      for (const judge of judges) await judge(params?.['scope'], client);
    },

    /** @throws errors.InvalidTarget for a resource that is not registered. */
    async getResourceServerInfo(ctx: KoaContextWithOIDC, indicator: string, client: Client): Promise<ResourceServerInfo> {
      throwRefusal(ctx);
      if (indicator === userinfo) return { scope: IDENTITY_SCOPES.join(' '), audience: userinfo, accessTokenFormat: 'opaque' };
      const server = catalog.find(indicator);
      if (!server)
        throw new errors.InvalidTarget(
          'resource is not known to this server: write the identifier of the API exactly as it is registered, as its own metadata says it',
        );
      if (indicator === adminApi(issuer) && !listOf(client['admin_scopes']).length)
        throw new errors.InvalidTarget(
          'the admin API is not open to this client: an operator of this server has to let it ask for some of its scopes',
        );
      return {
        scope: openTo(client, server, actsForItself(ctx))
          .scopes.map(({ name }) => name)
          .join(' '),
        audience: server.identifier,
        accessTokenTTL: server.accessTokenTtlSeconds,
        accessTokenFormat: server.tokenFormat,
        ...(server.tokenFormat === 'jwt' ? { jwt: { sign: { alg: server.jwtAlgorithm } } } : undefined),
      };
    },

    /**
     * The API of a token when its request names none: the first that the authorization named (RFC 8707 section 2.2).
     * An authorization without resources is for the server's own API, unless settle() implied another.
     */
    async defaultResource(ctx: KoaContextWithOIDC, _client: Client, oneOf?: string[]): Promise<string> {
      throwRefusal(ctx);
      return oneOf?.find((resource) => resource !== userinfo) as string;
    },
  };
}

/** Throws the error that settle-request.ts found before the library read the request. */
function throwRefusal({ state }: KoaContextWithOIDC): void {
  if (state?.refusal) throw state.refusal;
}

/**
 * A self-registered client may get a token of its own, but without scopes. A scope needs approval: by the user on the consent page,
 * by an operator, or by the owner of both the API and the client.
 */
function isUnvouched(client: Client, server: ResourceServer, forItself: boolean): boolean {
  if (!forItself || client['dynamically_registered'] !== true) return false;
  return !server.ownerId || !listOf(client['owners']).includes(server.ownerId);
}

/** Only a refresh token can outlive a session. Only a client that may ask for `offline_access` gets such a token. */
function mayStayOffline(client: Client, forItself: boolean): boolean {
  const registered = scopesIn(client.scope);
  return !forItself && client.grantTypeAllowed('refresh_token') && (!registered.length || registered.includes('offline_access'));
}

function isOrigin(identifier: string): boolean {
  const url = URL.parse(identifier);
  return url !== null && url.pathname === '/' && !identifier.includes('?') && !identifier.includes('#');
}

const origin = (identifier: string): string => identifier.replace(/\/$/, '');

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

const actsForItself = ({ oidc }: KoaContextWithOIDC): boolean =>
  oidc.route === 'token' && oidc.params?.['grant_type'] === 'client_credentials';
