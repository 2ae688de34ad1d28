import { lookup, Resolver } from 'node:dns/promises';

/**
 * Owns the look-up of names that strangers choose. `getaddrinfo` of the system blocks one of four threads while a name server is silent:
 * twelve such names stopped all other look-ups of the process. This one asks name servers directly and has a deadline.
 */

const DEADLINE_MS = 1_000;

export type Address = { address: string; family: 4 | 6 };

/**
 * @returns all addresses of a name. It does not read the hosts file, which holds the operator's own names.
 * @param resolver not shared with other callers.
 * @throws Error when no address is found in time.
 */
export async function addressesOf(
  hostname: string,
  resolver: Resolver = new Resolver({ timeout: DEADLINE_MS, tries: 1 }),
): Promise<Address[]> {
  const deadline = setTimeout(() => resolver.cancel(), DEADLINE_MS);
  try {
    const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const addresses = [
      ...(four.status === 'fulfilled' ? four.value.map((address) => ({ address, family: 4 as const })) : []),
      ...(six.status === 'fulfilled' ? six.value.map((address) => ({ address, family: 6 as const })) : []),
    ];
    if (!addresses.length) throw new Error('the name has no address');
    return addresses;
  } finally {
    clearTimeout(deadline);
  }
}

/** The same for names that an operator chose: uses the system's look-up, including the hosts file. */
export const systemAddressesOf = (hostname: string): Promise<Address[]> => lookup(hostname, { all: true }) as Promise<Address[]>;
