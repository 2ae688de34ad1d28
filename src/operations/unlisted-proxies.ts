import { addCounts, type Counts, createCounts } from '../audit/counts.ts';
import type { Database } from '../platform/database.ts';
import type { Log } from '../platform/log.ts';

/**
 * Owns the warning about X-Forwarded-For from a peer that TRUST_PROXY does not list. A stranger may have invented the header. It may also
 * come from a proxy that the operator forgot to list: then all users have the proxy's address and share its rate limits.
 */

/**
 * @returns a function to call for each such request. The first one in a process is logged and stored at once; the others are counted as
 * usual.
 */
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
