import ipaddr from 'ipaddr.js';

/** Owns which host names and addresses can only lead into a private network, as far as their form tells. Nothing is looked up. */

/** Names that no public zone has: RFC 6762 (.local), RFC 8375 (.home.arpa), ICANN's .internal, and two that are used by custom. */
const PRIVATE_ZONES = /\.(lan|local|internal|home\.arpa|intranet)$/;

const PRIVATE_RANGES = ['private', 'uniqueLocal'];

/**
 * @param hostname as URL has it. @returns true for a name of one label, a name in a private zone, and an address of RFC 1918 or RFC 4193.
 */
export function isPrivateNetwork(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (ipaddr.isValid(host)) return PRIVATE_RANGES.includes(ipaddr.parse(host).range());
  return /^[a-z0-9_-]+$/.test(host) || PRIVATE_ZONES.test(host);
}
