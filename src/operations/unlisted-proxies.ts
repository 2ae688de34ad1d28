import { addCounts, type Counts, createCounts } from '../audit/counts.ts';
import type { Database } from '../platform/database.ts';
import type { Log } from '../platform/log.ts';

/**
 * Owns what an operator is told of X-Forwarded-For from a peer that TRUST_PROXY does not list. It may be a stranger who makes it up. It may also be a
 * proxy that was forgotten: then all people have the proxy's address, and share its limits.
 */

/** @returns what hears of each such request. The first in a process is logged, and written at once; the others are counted like all else. */
export function hearOfUnlistedProxies({ database, log, counts }: { database: Database; log: Log; counts: Counts }): (peer: string) => void {
  let told = false;
  return (peer) => {
    if (told) return counts.add('forwarded', 'unlisted');
    told = true;
    log.warn({
      event: 'proxy_not_listed',
      peer,
      reason: 'X-Forwarded-For is ignored: if this address is your proxy, list it in TRUST_PROXY',
    });
    const first = createCounts();
    first.add('forwarded', 'unlisted');
    database.change(addCounts(first.take())).catch(() => counts.add('forwarded', 'unlisted'));
  };
}
