import type { Log } from './log.ts';

/**
 * Owns the time of this process. All nodes share the database, so its clock is the one that decides. Where the clock of this machine is off by
 * more than `TOLERATED_MS`, Date.now() gives the time of the database instead: the library, jose and the rest of the server ask that alone.
 */

const TOLERATED_MS = 1_000;
const ALARM_MS = 5_000;

const machineNow = Date.now.bind(Date);
let correctionMs = 0;

/** @param askedAt, answeredAt by performance.now(), which nobody sets. */
export type LearnTime = (databaseTime: Date, askedAt: number, answeredAt: number) => void;

/** @returns what is to be told each time that the database said what time it is. It logs a clock that is off by more than five seconds, once. */
export function createDatabaseTime(log: Log): LearnTime {
  let alarmed = false;
  return (databaseTime, askedAt, answeredAt) => {
    const uncertainMs = (answeredAt - askedAt) / 2;
    const offMs = databaseTime.getTime() + uncertainMs - machineNow();
    // How far it is off at least. A slow answer proves nothing.
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
