import type { Log } from './log.ts';

/**
 * Owns the time of this process. All nodes share the database, so its clock decides. If this machine's clock is off by more than
 * `TOLERATED_MS`, Date.now() returns the database's time instead. The library, jose and the rest of the server read the time from
 * Date.now() only.
 */

const TOLERATED_MS = 1_000;
const ALARM_MS = 5_000;

const machineNow = Date.now.bind(Date);
let correctionMs = 0;

/** @param askedAt, answeredAt by performance.now(), which no clock adjustment changes. */
export type LearnTime = (databaseTime: Date, askedAt: number, answeredAt: number) => void;

/** @returns a function to call with each time that the database reports. It logs once when the clock is off by more than five seconds. */
export function createDatabaseTime(log: Log): LearnTime {
  let alarmed = false;
  return (databaseTime, askedAt, answeredAt) => {
    const uncertainMs = (answeredAt - askedAt) / 2;
    const offMs = databaseTime.getTime() + uncertainMs - machineNow();
    // The smallest possible difference. A slow answer proves nothing.
    const surelyOffMs = Math.abs(offMs) - uncertainMs;
    if (surelyOffMs > TOLERATED_MS) correct(offMs);
    else if (Math.abs(offMs) + uncertainMs <= TOLERATED_MS) correct(0);
    const alarms = surelyOffMs > ALARM_MS || (alarmed && Math.abs(offMs) + uncertainMs > ALARM_MS);
    if (alarms === alarmed) return;
    alarmed = alarms;
    const seconds = Math.round(offMs / 100) / 10;
    if (alarms) log.error({ event: 'clock_differs', behind_database_seconds: seconds });
    else log.info({ event: 'clock_agrees', behind_database_seconds: seconds });
  };
}

function correct(ms: number): void {
  correctionMs = ms;
  if (ms) Date.now = () => machineNow() + Math.round(correctionMs);
}
