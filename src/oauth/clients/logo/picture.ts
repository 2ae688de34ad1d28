import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { EXIT } from './picture-limits.ts';

/**
 * Owns the reading of pictures that strangers chose: each is decoded and drawn again in a process of its own, which ends with it.
 * A decoder that crashes, hangs or fills its memory takes nothing else along.
 */

const PROCESS = join(import.meta.dirname, 'picture-process.ts');
// For one that waits without working. One that works is ended by CPU_SECONDS.
const TIMEOUT_MS = 30_000;
// A PNG of LOGO_SIDE that cannot be compressed has 70 kB.
const MAX_OUTPUT_BYTES = 128 * 1024;

/**
 * `not_an_image`: it is none of PNG, JPEG, WebP, GIF and SVG, or it is damaged. `unreadable`: the decoder crashed or took too long.
 * `no_library`: the image library was not installed for this platform.
 */
export type PictureProblem = 'not_an_image' | 'too_many_pixels' | 'unreadable' | 'no_library';

export type Redrawn = { png: Buffer } | { problem: PictureProblem };

const PROBLEMS: Record<number, PictureProblem> = {
  [EXIT.notAnImage]: 'not_an_image',
  [EXIT.tooManyPixels]: 'too_many_pixels',
  [EXIT.noLibrary]: 'no_library',
};

/**
 * Draws a picture again as a square PNG of LOGO_SIDE, centred, with transparent margins and without metadata.
 * @param bytes as they came: the library recognises the format by its first bytes. @param signal ends it early, as `unreadable`. @throws never
 */
export async function redraw(bytes: Uint8Array, signal?: AbortSignal): Promise<Redrawn> {
  const child = spawn(process.execPath, ['--max-old-space-size=64', PROCESS], {
    // Nothing of our environment: it has secrets.
    env: {},
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    ...(signal && { signal }),
  });
  const chunks: Buffer[] = [];
  let length = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= MAX_OUTPUT_BYTES) chunks.push(chunk);
    else child.kill('SIGKILL');
  });
  // A process that ended early reads no further.
  child.stdin.on('error', () => {});
  child.stdin.end(bytes);
  // An 'error' is a process that could not be started, or that the signal ended.
  const [code] = (await once(child, 'close').catch(() => [null])) as [number | null];
  if (code === 0 && length && length <= MAX_OUTPUT_BYTES) return { png: Buffer.concat(chunks) };
  return { problem: PROBLEMS[code ?? 1] ?? 'unreadable' };
}
