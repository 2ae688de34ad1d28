import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Owns that a long import needs little memory. V8 lets garbage grow to several times of what is in use. A server can afford that, and a
 * command beside one cannot. So the import collects garbage at intervals, which costs it about a tenth of its time.
 */

// Of these kinds of collections only this one also makes the space for new objects smaller.
const THOROUGH = { type: 'major', execution: 'sync', flavor: 'last-resort' };

/** @param every how many steps there are between two collections. @returns a function to call with the number of steps that were made. */
export function keepMemoryFlat(every: number): (steps: number) => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('globalThis.gc');
  let left = 0;
  return (steps) => {
    left -= steps;
    if (left > 0 || typeof collect !== 'function') return;
    left = every;
    collect(THOROUGH);
  };
}
