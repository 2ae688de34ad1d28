/**
 * Owns how many requests to strangers' servers are in flight, so that a slow server delays no requests to others. There is a limit in
 * total, for one site and for one host. After a failure a host gets no requests for a while, and for longer each time.
 */

export type Room = {
  /** @returns a function to call at the end of the request, with whether it was answered; undefined when there is no room now. */
  enter(host: string): ((answered: boolean) => void) | undefined;
};

const MOST = { all: 64, site: 16, host: 8 };
const [FIRST_REST_MS, LONGEST_REST_MS] = [2_000, 60_000];
const MOST_RESTING = 10_000;

/** @param now returns milliseconds of a monotonic clock. */
export function createRoom(now: () => number = () => performance.now()): Room {
  const underWay = new Map<string, number>();
  const resting = new Map<string, { until: number; restMs: number }>();
  const add = (key: string, count: number) => {
    const sum = (underWay.get(key) ?? 0) + count;
    if (sum > 0) underWay.set(key, sum);
    else underWay.delete(key);
  };

  return {
    enter(host) {
      const keys = { all: '', site: `.${siteOf(host)}`, host };
      const rest = resting.get(host);
      if (rest && rest.until > now()) return undefined;
      if (Object.entries(keys).some(([kind, key]) => (underWay.get(key) ?? 0) >= MOST[kind as keyof typeof MOST])) return undefined;
      for (const key of Object.values(keys)) add(key, 1);
      let ended = false;
      return (answered) => {
        if (ended) return;
        ended = true;
        for (const key of Object.values(keys)) add(key, -1);
        resting.delete(host);
        if (answered) return;
        const restMs = Math.min((rest?.restMs ?? FIRST_REST_MS / 2) * 2, LONGEST_REST_MS);
        if (resting.size >= MOST_RESTING) resting.delete(resting.keys().next().value as string);
        resting.set(host, { until: now() + restMs, restMs });
      };
    },
  };
}

/** Approximates the domain of one owner: the last two labels, or three when the second is short, as in `co.kr`. */
function siteOf(host: string): string {
  const labels = host.split('.');
  return labels.slice((labels.at(-2)?.length ?? 0) <= 3 ? -3 : -2).join('.');
}
