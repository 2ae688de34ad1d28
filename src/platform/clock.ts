/**
 * Time is a parameter: what needs to know it takes a Clock, so that tests move it and never sleep. The system's is Date.now(), never `new Date()`:
 * only the former follows the clock of the database (database-time.ts).
 */
export type Clock = { now(): Date };

export const systemClock: Clock = { now: () => new Date(Date.now()) };

// Lengths of time, in seconds.
export const MINUTE = 60;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Seconds since 1970, as JWTs and the library count time (RFC 7519 section 2, NumericDate). */
export function epochSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
