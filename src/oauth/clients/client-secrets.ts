import type { Provider } from 'oidc-provider';
import type { Database } from '../../platform/database.ts';
import { override } from '../internals.ts';
import { noteUse } from './secret-use.ts';
import { matchingHandle } from './secrets.ts';

/**
 * Owns the connection between hashed client secrets and a library that expects them in clear.
 * Inside the library a secret is its handle.
 */

/**
 * The library awaits this undocumented method (a test covers it), and the fast path of introspection calls it too.
 * Here a presented secret is hashed and compared.
 */
export function compareHashedSecrets(provider: Provider, database: Database): void {
  override(
    provider,
    'Client.compareClientSecret',
    () =>
      function (secret) {
        const handle = matchingHandle(this.clientSecret, secret);
        if (handle) noteUse(database, handle);
        return handle !== undefined;
      },
  );
}
