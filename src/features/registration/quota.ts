import ipaddr from 'ipaddr.js';
import type { Context } from 'koa';
import { LIMITS, type Limit } from '../../http/rate-limit.ts';
import { visitorOf } from '../../http/visitor.ts';
import type { Config } from '../../platform/config.ts';

/** Owns how many clients may be registered in an hour, by one network and by all together. Does not count them: see http/rate-limit.ts. */

export type RegistrationQuota = {
  /** @returns the limit of a request, and the network for which it counts. */
  of(ctx: Context): { limit: Limit; network: string };
  all: Limit;
};

export function registrationQuota({
  registrationLimit,
  registrationNetworks,
}: Pick<Config, 'registrationLimit' | 'registrationNetworks'>): RegistrationQuota {
  const { registrationFromNetwork, registration } = LIMITS;
  // The smallest network first, so that a limit for a part wins over one for the whole.
  const named = registrationNetworks
    .map(({ network, most }) => ({ network, most, range: rangeOf(network) }))
    .sort((a, b) => b.range[1] - a.range[1]);
  const ownShares = named.reduce((sum, { most }) => sum + most, 0);
  const inProportion = Math.ceil((registration.points * registrationLimit) / registrationFromNetwork.points);
  return {
    of(ctx) {
      const address = ipaddr.isValid(ctx.ip) ? ipaddr.process(ctx.ip) : undefined;
      const own = named.find(({ range: [network, bits] }) => address?.kind() === network.kind() && address.match(network, bits));
      const limit = { ...registrationFromNetwork, points: own?.most ?? registrationLimit };
      return { limit, network: own?.network ?? visitorOf(ctx).address };
    },
    // A network with its own limit uses none of the shared one.
    all: { ...registration, points: Math.max(registration.points, inProportion) + ownShares },
  };
}

function rangeOf(network: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  if (network.includes('/')) return ipaddr.parseCIDR(network);
  const address = ipaddr.process(network);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}
