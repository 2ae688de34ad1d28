import type { ClientMetadata, KoaContextWithOIDC } from 'oidc-provider';

type Policy = {
  properties: string[];
  validator(ctx: KoaContextWithOIDC | undefined, member: string, value: unknown, metadata: ClientMetadata): void;
};

/**
 * An API may drop a scope that clients have registered with. Such a client is read back with the scopes that there still are: the library would
 * take it for broken, and nobody could use it for what it did not ask of that API. What it registered stays as it is stored, and means something
 * again when the scope comes back.
 * @param known every scope that a client can register with.
 */
export function withKnownScopes(policy: Policy, known: string[]): Policy {
  const scopes = new Set(known);
  return {
    ...policy,
    validator(ctx, member, value, metadata) {
      if (!ctx && member === 'scope' && typeof metadata.scope === 'string')
        metadata.scope = metadata.scope
          .split(' ')
          .filter((scope) => scopes.has(scope))
          .join(' ');
      policy.validator(ctx, member, value, metadata);
    },
  };
}
