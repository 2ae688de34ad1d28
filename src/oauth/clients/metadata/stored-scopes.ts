import type { ClientMetadata, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { ResourcePolicy } from '../../scopes/resource-policy.ts';
import { adminApi } from '../../scopes/resource-servers.ts';

/** What it takes that scopes come and go with the APIs that developers register. */

type Policy = {
  properties: string[];
  validator(ctx: KoaContextWithOIDC | undefined, member: string, value: unknown, metadata: ClientMetadata): void;
};

/**
 * An API may drop a scope that clients have registered with. Such a client is read back with the scopes that there still are: the library would
 * take it for broken, and nobody could use it for what it did not ask of that API. What it registered stays as it is stored, and means something
 * again when the scope comes back.
 * @param known says every scope that a client can register with.
 */
export function withKnownScopes(policy: Policy, known: () => ReadonlySet<string>): Policy {
  return {
    ...policy,
    validator(ctx, member, value, metadata) {
      if (!ctx && member === 'scope' && typeof metadata.scope === 'string')
        // One that is left with none must not be taken for one that never limited itself.
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
 * Says in the server's metadata which scopes anybody's client may ask for (RFC 8414 section 2: not all have to be listed). Some clients ask for all
 * that are listed. Scopes of the admin API and of upstream providers take an operator's word; those of developers' APIs are listed by the metadata
 * of those APIs (RFC 9728).
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
