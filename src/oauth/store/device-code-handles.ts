import { digest, randomSecret } from '../../platform/secrets.ts';

/**
 * Who finds a code by its user code, or by the interaction it led to, does not learn the code itself: they have a handle in its place,
 * which means something to this process alone. Nobody else can write one, so a digest that was read somewhere cannot be presented as one.
 */
const HANDLE = `${randomSecret()}.`;

/** The handle of a device code that is known by its key, in hexadecimal. */
export const deviceCodeHandle = (key: string): string => HANDLE + key;

/** The key of a device code that is known by itself or by its handle. It opens nothing. */
export const deviceCodeKey = (id: string): string => Buffer.from(keyOfDeviceCode(id)).toString('hex');

/** The same, as the column has it. */
export function keyOfDeviceCode(id: string): Uint8Array<ArrayBuffer> {
  return id.startsWith(HANDLE) ? new Uint8Array(Buffer.from(id.slice(HANDLE.length), 'hex')) : digest(id);
}
