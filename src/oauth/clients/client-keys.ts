import type { Client } from 'oidc-provider';
import { keyStoreOf } from '../internals.ts';

/**
 * Owns how many keys a client may have, and how many of them a signature is verified with. Anyone may send a signature, and each
 * verification costs this server work.
 */

export const MAX_KEYS = 10;

/** The error of an assertion that does not name its key. */
export const AMBIGUOUS_KEY = 'kid must name the key: more than one of the registered keys fits';

/** @returns the keys of a client. If the document at `jwks_uri` has more than ten, only the first ten count. */
export const keysOf = (client: Client) =>
  keyStoreOf(client, (methods) => {
    const { add, selectForVerify } = methods;
    methods.add = function (this: Iterable<object>, key) {
      if ([...this].length < MAX_KEYS) add.call(this as never, key);
    };
    methods.selectForVerify = function (options) {
      const fitting = selectForVerify.call(this, options);
      if (fitting.length > 1) throw Object.assign(new Error(`assertion: ${AMBIGUOUS_KEY}`), { claim: 'kid' });
      return fitting;
    };
  });

/** Whether more than one of the available keys fits a header. */
export function isAmbiguous(client: Client, { alg, kid }: { alg?: unknown; kid?: unknown }): boolean {
  try {
    keysOf(client).selectForVerify({ alg: String(alg), kid });
    return false;
  } catch {
    return true;
  }
}
