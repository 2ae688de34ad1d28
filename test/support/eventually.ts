import { setTimeout as pause } from 'node:timers/promises';

// Far beyond anything that is waited for: only a promise that is not kept comes here, however slow the machine.
const DEADLINE_MS = 20_000;

/**
 * Waits until something is so, by asking again and again.
 * @param what the promise, for the message when it is not kept. @returns what it was waited for took, in milliseconds.
 */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<number> {
  const begun = performance.now();
  while (!(await isSo())) {
    if (performance.now() - begun > DEADLINE_MS) throw new Error(`not within ${DEADLINE_MS / 1_000} seconds: ${what}`);
    await pause(10);
  }
  return performance.now() - begun;
}
