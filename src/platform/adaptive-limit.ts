/**
 * Owns how many statements may be in flight: more while answers come in time, fewer when they come late. TCP finds its window in the same
 * way (RFC 5681 section 3.1), by loss; this limit uses latency. The cause does not matter: the database, its disk or the network. The limit
 * grows while one more statement does not slow the others, and stops when statements only wait for one another. Does not hold the queue:
 * see pipeline.ts.
 */
export type AdaptiveLimit = {
  /** How many statements may be in flight. */
  readonly statements: number;
  /** Recent duration of a statement, smoothed. */
  readonly tookMs: number;
  /**
   * Records that an answer arrived, or that the database gave up.
   * @param sentAt by the clock.
   * @param underWay statements in flight, including this one.
   */
  answered(sentAt: number, underWay: number): void;
  /** @returns how long a statement waits for its turn, from the number ahead of it and the number in flight (Little's law). */
  waitMs(ahead: number, underWay: number): number;
};

export type AdaptiveLimitOptions = {
  /** The limit never falls below this. */
  least: number;
  start: number;
  most: number;
  /**
   * An answer that took longer is late. It is an absolute limit: the best duration so far would rise with the load that it must hold back.
   */
  lateMs: number;
};

// Added for each answer in time. In the time that one answer takes, the limit grows by a quarter.
const GROWTH = 0.25;
const SHRINK = 0.75;
const SMOOTHING = 0.1;

/** @param now returns milliseconds; tests pass their own clock. */
export function createAdaptiveLimit(
  { least, start, most, lateMs }: AdaptiveLimitOptions,
  now: () => number = () => performance.now(),
): AdaptiveLimit {
  let [limit, smoothedMs, shrunkAt] = [start, 0, Number.NEGATIVE_INFINITY];
  return {
    get statements() {
      return Math.floor(limit);
    },
    get tookMs() {
      return smoothedMs;
    },
    answered(sentAt, underWay) {
      const tookMs = now() - sentAt;
      smoothedMs += SMOOTHING * (tookMs - smoothedMs);
      if (tookMs <= lateMs) {
        // Only a limit that was reached shows whether a higher one is possible.
        if (underWay >= limit - 1) limit = Math.min(most, limit + GROWTH);
      } else if (sentAt > shrunkAt) {
        // Shrinks once for all statements that were sent before. It starts from the number in flight, which was already too high and may be
        // far below the limit.
        shrunkAt = now();
        limit = Math.max(least, SHRINK * Math.min(limit, underWay));
      }
    },
    waitMs: (ahead, underWay) => ((ahead + 1) * smoothedMs) / Math.max(1, underWay),
  };
}
