import { digest, randomSecret } from '../../platform/secrets.ts';

/**
 * A caller that finds a device code by its user code or its interaction gets a handle instead of the code itself.
 * A handle is valid in this process only. Nobody else can create one, so a digest read from the database cannot be presented as one.
 */
const HANDLE = `${randomSecret()}.`;

/** @returns the handle of a device code. @param key of the code, in hexadecimal. */
export const deviceCodeHandle = (key: string): string => HANDLE + key;

/** @returns the key of a device code, in hexadecimal. @param id the code or its handle. */
export const deviceCodeKey = (id: string): string => Buffer.from(keyOfDeviceCode(id)).toString('hex');

/** The same key, as the column stores it. */
export function keyOfDeviceCode(id: string): Uint8Array<ArrayBuffer> {
  return id.startsWith(HANDLE) ? new Uint8Array(Buffer.from(id.slice(HANDLE.length), 'hex')) : digest(id);
}
