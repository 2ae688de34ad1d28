/**
 * Owns how many statements may be under way at once: more while answers come in time, fewer when they come late. TCP finds its window in the same
 * way (RFC 5681 section 3.1), here by latency instead of loss. Whether the database, its disk or the way to it is slow makes no difference: where
 * one more statement takes nothing from the others, the limit grows, and where they only wait for one another, it stops.
 * Does not hold the queue: see pipeline.ts.
 */
export type AdaptiveLimit = {
  /** How many may be under way. */
  readonly statements: number;
  /** What answers took recently. */
  readonly tookMs: number;
  /** An answer came, or the database gave up on one. @param sentAt by the clock. @param underWay how many there were, this one among them. */
  answered(sentAt: number, underWay: number): void;
  /** How long a statement waits for its turn with so many ahead of it, and so many under way (Little's law). */
  waitMs(ahead: number, underWay: number): number;
};

export type AdaptiveLimitOptions = {
  /** It never goes below. */
  least: number;
  start: number;
  most: number;
  /** An answer that took longer is late. Compared with a limit and not with the best one, which rises with the load that it is to hold back. */
  lateMs: number;
};

// For each answer: a quarter more in the time that an answer takes.
const GROWTH = 0.25;
const SHRINK = 0.75;
const SMOOTHING = 0.1;

/** @param now milliseconds; tests have a clock of their own. */
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
        // A limit that is not reached says nothing about a higher one.
        if (underWay >= limit - 1) limit = Math.min(most, limit + GROWTH);
      } else if (sentAt > shrunkAt) {
        // Once for all that were sent before it shrank. It may be far above what was under way, which was too much already.
        shrunkAt = now();
        limit = Math.max(least, SHRINK * Math.min(limit, underWay));
      }
    },
    waitMs: (ahead, underWay) => ((ahead + 1) * smoothedMs) / Math.max(1, underWay),
  };
}
