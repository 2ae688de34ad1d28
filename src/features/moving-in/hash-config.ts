import type { FirebaseConfig } from '../../people/foreign-passwords/scrypt.ts';
import { listFiles, wholeText } from './reading/files.ts';

/**
 * Owns the file of --hash-config: the password hash parameters of a project of Firebase, as its console shows them.
 * @see https://firebase.google.com/docs/auth/admin/import-users
 */

const MOST_BYTES = 64 * 1024;

/** @throws Error that names what is missing, without quoting the key. */
export async function readHashConfig(path: string): Promise<FirebaseConfig> {
  const file = listFiles(path)[0];
  const text = file ? await wholeText(file, MOST_BYTES, 'write the parameters alone') : '';
  const value = (name: string) => new RegExp(`["']?${name}["']?\\s*[:=]\\s*["']?([A-Za-z0-9+/=_-]+)`).exec(text)?.[1] ?? '';
  const [signerKey, saltSeparator] = [value('base64_signer_key'), value('base64_salt_separator')];
  const [rounds, memCost] = [Number(value('rounds')), Number(value('mem_cost'))];
  if (!signerKey || !rounds || !memCost)
    throw new Error(
      '--hash-config: it must have base64_signer_key, base64_salt_separator, rounds and mem_cost, as the console of Firebase shows them',
    );
  return { signerKey, saltSeparator, rounds, memCost };
}
