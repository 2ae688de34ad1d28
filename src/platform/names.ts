import { lookup, Resolver } from 'node:dns/promises';

/**
 * Owns the look-up of names that strangers choose. The system's own (`getaddrinfo`) waits in a pool of four threads, for as long as a name server is
 * silent: twelve such names stopped every other look-up of the process. This one asks name servers itself, and has a deadline.
 */

const DEADLINE_MS = 1_000;

export type Address = { address: string; family: 4 | 6 };

/**
 * All addresses of a name. The hosts file is not read: what stands there is the operator's.
 * @param resolver that nobody else uses. @throws Error when there is none in time.
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

/** The same for names that an operator chose: as the system finds them, the hosts file among its sources. */
export const systemAddressesOf = (hostname: string): Promise<Address[]> => lookup(hostname, { all: true }) as Promise<Address[]>;
