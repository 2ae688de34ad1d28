import type { AdaptiveLimit } from './adaptive-limit.ts';
import type { Log } from './log.ts';

const TELL_EVERY_MS = 10_000;

/**
 * Logs that the pipeline refused statements because the database cannot take more: at once, then every ten seconds with the count since
 * then.
 * @returns for each kind of statement, the function that the pipeline calls at each refusal.
 */
export function tellRefused(limits: Record<'read' | 'write', AdaptiveLimit>, log: Log, now = () => performance.now()) {
  return (kind: keyof typeof limits) => {
    let [statements, toldAt] = [0, Number.NEGATIVE_INFINITY];
    return (waiting: number): void => {
      statements += 1;
      if (now() < toldAt + TELL_EVERY_MS) return;
      const { statements: limit, tookMs } = limits[kind];
      log.warn({ event: 'database_refused', kind, statements, waiting, limit, took_ms: Math.round(tookMs) });
      [statements, toldAt] = [0, now()];
    };
  };
}
