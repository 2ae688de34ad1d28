/**
 * Time is a parameter: code that needs the time takes a Clock, so that tests move it and never sleep. The system clock is Date.now(), never
 * `new Date()`: only Date.now() follows the database's clock (database-time.ts).
 */
export type Clock = { now(): Date };

export const systemClock: Clock = { now: () => new Date(Date.now()) };

// Durations in seconds.
export const MINUTE = 60;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Seconds since 1970, the NumericDate of JWTs and of the library (RFC 7519 section 2). */
export function epochSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
