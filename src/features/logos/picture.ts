import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { PictureProblem } from '../../oauth/clients/logos.ts';
import { EXIT } from './picture-limits.ts';

/**
 * Owns the reading of untrusted pictures: each is decoded and redrawn in its own process.
 * A decoder that crashes, hangs or exhausts memory affects only that process.
 */

const PROCESS = join(import.meta.dirname, 'picture-process.ts');
// For a process that waits without using the CPU. CPU_SECONDS stops one that works.
const TIMEOUT_MS = 30_000;
// A PNG of LOGO_SIDE that cannot be compressed has 70 kB.
const MAX_OUTPUT_BYTES = 128 * 1024;

export type Redrawn = { png: Buffer } | { problem: PictureProblem };

const PROBLEMS: Record<number, PictureProblem> = {
  [EXIT.notAnImage]: 'not_an_image',
  [EXIT.tooManyPixels]: 'too_many_pixels',
  [EXIT.noLibrary]: 'no_library',
};

/**
 * Redraws a picture as a square PNG of LOGO_SIDE, centred, with transparent margins and without metadata.
 * @param bytes as received; the library detects the format by their first bytes.
 * @param signal stops it early, as `unreadable`.
 * @throws never
 */
export async function redraw(bytes: Uint8Array, signal?: AbortSignal): Promise<Redrawn> {
  const child = spawn(process.execPath, ['--max-old-space-size=64', PROCESS], {
    // No environment variables: they contain secrets.
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
  // A process that ended early closes its input.
  child.stdin.on('error', () => {});
  child.stdin.end(bytes);
  // The 'error' event means that the process could not start, or that the signal stopped it.
  const [code] = (await once(child, 'close').catch(() => [null])) as [number | null];
  if (code === 0 && length && length <= MAX_OUTPUT_BYTES) return { png: Buffer.concat(chunks) };
  return { problem: PROBLEMS[code ?? 1] ?? 'unreadable' };
}
