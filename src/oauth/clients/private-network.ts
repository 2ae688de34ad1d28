import ipaddr from 'ipaddr.js';

/** Owns which host names and addresses can only lead into a private network, judged by their form. Makes no look-up. */

/** Names that no public zone has: RFC 6762 (.local), RFC 8375 (.home.arpa), ICANN's .internal, and two in common use. */
const PRIVATE_ZONES = /\.(lan|local|internal|home\.arpa|intranet)$/;

const PRIVATE_RANGES = ['private', 'uniqueLocal'];

/**
 * @param hostname in URL's form. @returns true for a name of one label, a name in a private zone, and an address of RFC 1918 or RFC 4193.
 */
export function isPrivateNetwork(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (ipaddr.isValid(host)) return PRIVATE_RANGES.includes(ipaddr.parse(host).range());
  return /^[a-z0-9_-]+$/.test(host) || PRIVATE_ZONES.test(host);
}
