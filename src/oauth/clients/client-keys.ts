import type { Client } from 'oidc-provider';

/**
 * Owns how many keys a client has, and with how many of them a signature is tried: anyone may send a signature, and each try is work that the sender does
 * not do.
 */

export const MAX_KEYS = 10;

/** The error of an assertion that does not say by which key it was signed. */
export const AMBIGUOUS_KEY = 'kid must name the key: more than one of the registered keys fits';

type KeyStore = Iterable<object> & { selectForVerify(options: { alg: string; kid?: unknown }): object[] };

/** What is overridden, by the members that the library's types leave out (undocumented; tests hold them). */
type Overridden = { add(key: object): void; selectForVerify: KeyStore['selectForVerify'] };

const limited = new WeakSet<object>();

/** The keys of a client. Of more than ten, which a document at `jwks_uri` may have, the first ten count. */
export function keysOf(client: Client): KeyStore {
  const keys = (client as unknown as { asymmetricKeyStore: KeyStore }).asymmetricKeyStore;
  const prototype = Object.getPrototypeOf(keys) as Overridden;
  if (limited.has(prototype)) return keys;
  limited.add(prototype);
  const { add, selectForVerify } = prototype;
  prototype.add = function (this: KeyStore, key) {
    if ([...this].length < MAX_KEYS) add.call(this, key);
  };
  prototype.selectForVerify = function (options) {
    const fitting = selectForVerify.call(this, options);
    if (fitting.length > 1) throw new Error(`assertion: ${AMBIGUOUS_KEY}`);
    return fitting;
  };
  return keys;
}

/** Whether a header leaves open which of the keys that are at hand it means. */
export function isAmbiguous(client: Client, { alg, kid }: { alg?: unknown; kid?: unknown }): boolean {
  try {
    keysOf(client).selectForVerify({ alg: String(alg), kid });
    return false;
  } catch {
    return true;
  }
}
