import type { ClientMetadata, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { ResourcePolicy } from '../../scopes/resource-policy.ts';
import { adminApi } from '../../scopes/resource-servers.ts';

/** Owns the effects of scopes that appear and disappear with developers' APIs. */

type Policy = {
  properties: string[];
  validator(ctx: KoaContextWithOIDC | undefined, member: string, value: unknown, metadata: ClientMetadata): void;
};

/**
 * An API may drop a scope that clients have registered. Such a client is then read with its remaining scopes. Otherwise the library would
 * reject the client, even for its other APIs. The stored metadata does not change, so the scope applies again when it comes back.
 * @param known returns every scope that a client can register.
 */
export function withKnownScopes(policy: Policy, known: () => ReadonlySet<string>): Policy {
  return {
    ...policy,
    validator(ctx, member, value, metadata) {
      if (!ctx && member === 'scope' && typeof metadata.scope === 'string')
        // A client without remaining scopes must not look like one that never limited itself.
        metadata.scope =
          metadata.scope
            .split(' ')
            .filter((scope) => known().has(scope))
            .join(' ') || 'openid';
      policy.validator(ctx, member, value, metadata);
    },
  };
}

/**
 * Lists in the server's metadata the scopes that every client may ask for (RFC 8414 section 2: the list may be partial).
 * Some clients ask for all listed scopes. Scopes of the admin API and of upstream providers need an operator's approval.
 * Developers' APIs list their scopes in their own metadata (RFC 9728).
 */
export function listOwnScopes(provider: Provider, { servers, issuer }: Pick<ResourcePolicy, 'servers' | 'issuer'>): void {
  const isOwn = (identifier: string) => identifier === issuer || (identifier.startsWith(`${issuer}/`) && identifier !== adminApi(issuer));
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.oidc?.route !== 'discovery') return;
    const open = servers
      .filter(({ identifier }) => isOwn(identifier))
      .flatMap((server) => server.scopes.filter((scope) => !scope.provider));
    (ctx.body as { scopes_supported: string[] }).scopes_supported = [...new Set(open.map(({ name }) => name))];
  });
}
