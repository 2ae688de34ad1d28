import type { Client } from 'oidc-provider';
import { keyStoreOf } from '../internals.ts';

/**
 * Owns how many keys a client has, and with how many of them a signature is tried: anyone may send a signature, and each try is work that the sender does
 * not do.
 */

export const MAX_KEYS = 10;

/** The error of an assertion that does not say by which key it was signed. */
export const AMBIGUOUS_KEY = 'kid must name the key: more than one of the registered keys fits';

/** The keys of a client. Of more than ten, which a document at `jwks_uri` may have, the first ten count. */
export const keysOf = (client: Client) =>
  keyStoreOf(client, (methods) => {
    const { add, selectForVerify } = methods;
    methods.add = function (this: Iterable<object>, key) {
      if ([...this].length < MAX_KEYS) add.call(this as never, key);
    };
    methods.selectForVerify = function (options) {
      const fitting = selectForVerify.call(this, options);
      if (fitting.length > 1) throw new Error(`assertion: ${AMBIGUOUS_KEY}`);
      return fitting;
    };
  });

/** Whether a header leaves open which of the keys that are at hand it means. */
export function isAmbiguous(client: Client, { alg, kid }: { alg?: unknown; kid?: unknown }): boolean {
  try {
    keysOf(client).selectForVerify({ alg: String(alg), kid });
    return false;
  } catch {
    return true;
  }
}
