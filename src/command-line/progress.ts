/** Owns how a long command says how far it is: on stderr, so that what it is asked for stays by itself. */

const EVERY_MS = 200;
const EVERY_ROWS = 5_000;

export type Progress = { step(): void; end(): void };

/** @param what such as `clients`. @param total how many there will be; 0 when nobody knows. @param every how many a line of a log is for. */
export function showProgress(what: string, total: number, every = EVERY_ROWS): Progress {
  const terminal = process.stderr.isTTY;
  let [done, shownAt] = [0, 0];
  const show = (end: string) => process.stderr.write(`${terminal ? '\r' : ''}${done}${total ? ` of ${total}` : ''} ${what}${end}`);
  return {
    step() {
      done += 1;
      if (terminal) {
        if (Date.now() - shownAt < EVERY_MS) return;
        shownAt = Date.now();
        show(' ');
      } else if (done % every === 0) show('\n');
    },
    end() {
      if (terminal ? shownAt : done >= every) show('\n');
    },
  };
}
