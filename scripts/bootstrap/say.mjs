/** How the bootstrap speaks: one line a step, with what it took. */

let out = process.stdout;

/** Chooses where the steps are written: a command keeps stdout for its own answer. */
export function speakTo(stream) {
  out = stream;
}

/** Runs a step and says what it does; while it lasts, a terminal sees the seconds pass. */
export async function step(sentence, work) {
  const begun = Date.now();
  const live = out.isTTY;
  const line = () => `  ${sentence} … ${Math.round((Date.now() - begun) / 1000)} s`;
  if (live) out.write(line());
  const ticking = live && setInterval(() => out.write(`\r${line()}`), 1000);
  try {
    const result = await work();
    const took = `${((Date.now() - begun) / 1000).toFixed(1)} s`;
    out.write(`${live ? '\r' : ''}  ${sentence} … ${took}\n`);
    return result;
  } catch (error) {
    if (live) out.write('\n');
    throw error;
  } finally {
    if (ticking) clearInterval(ticking);
  }
}

/** What stops the bootstrap, in one sentence. Anything else that is thrown is a defect and shows its stack. */
export class Stop extends Error {}

/** Ends the process with a sentence and exit code 1. */
export function fail(error) {
  console.error(error instanceof Stop ? `\n${error.message}` : error);
  process.exit(1);
}
