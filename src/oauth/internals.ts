import type { Provider } from 'oidc-provider';
import type { ApiCatalog } from './scopes/api-catalog.ts';

/**
 * Owns what is borrowed of undocumented parts of the library: its set of known scopes, and nothing else. The library copies what it is configured with, and has no setting for scopes that come and go; a provider for
 * each change made every node stop for half a second. Its own set is found where it keeps its configuration, and follows the catalog.
 */

type Internals = (provider: Provider) => { configuration: { scopes: unknown } };

const { default: internalsOf } = (await import('oidc-provider/lib/helpers/weak_cache.js' as string)) as { default: Internals };

/** @throws TypeError when the library keeps its scopes otherwise: then this file is to be written anew. */
export function followScopes(provider: Provider, catalog: ApiCatalog): void {
  const { scopes } = internalsOf(provider).configuration;
  if (!(scopes instanceof Set)) throw new TypeError('the library keeps its scopes in another way than it did');
  catalog.shareScopes(scopes);
}
