import { setPriority } from 'node:os';
import { buffer } from 'node:stream/consumers';
import { CPU_SECONDS, EXIT, LOGO_SIDE, MAX_PIXELS } from './picture-limits.ts';

/**
 * The process that reads one untrusted picture: bytes on standard input, a PNG on standard output, EXIT as the exit code.
 * It has no environment, no database and no key, so that an exploited decoder reaches nothing. picture.ts starts and stops it.
 */

// The library works on its own threads, so this timer runs meanwhile. The process stops itself, because its server may have been killed.
setInterval(() => {
  const { user, system } = process.cpuUsage();
  if (user + system > CPU_SECONDS * 1_000_000) process.kill(process.pid, 'SIGKILL');
}, 100).unref();
// Lower priority than requests.
setPriority(10);

const { default: sharp } = await import('sharp').catch(() => process.exit(EXIT.noLibrary));
// Only formats of the web. All other decoders are blocked, because each is code that untrusted input can reach.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['Png', 'Jpeg', 'Webp', 'Nsgif', 'Svg'].map((format) => `VipsForeignLoad${format}Buffer`) });
sharp.cache(false);
sharp.concurrency(1);

// Only the first frame. The library compares the size in the header with the limit before it decodes anything.
const OPTIONS = { pages: 1, limitInputPixels: MAX_PIXELS, failOn: 'error' } as const;

try {
  process.stdout.write(await redrawn(await buffer(process.stdin)));
} catch (error) {
  process.exitCode = /pixel limit/.test((error as Error).message) ? EXIT.tooManyPixels : EXIT.notAnImage;
}

/** The library writes no metadata (EXIF, GPS, ICC) by default. It applies the EXIF orientation first. */
async function redrawn(bytes: Buffer): Promise<Buffer> {
  return sharp(bytes, { ...OPTIONS, ...(await densityOf(bytes)) })
    .autoOrient()
    .resize(LOGO_SIDE, LOGO_SIDE, { fit: 'contain', background: { r: 0, g: 0, b: 0, alpha: 0 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
}

/** SVG is drawn at its final size instead of being scaled. The library runs no script in it and loads nothing that it refers to. */
async function densityOf(bytes: Buffer): Promise<{ density: number } | undefined> {
  const { format, width, height } = await sharp(bytes, OPTIONS).metadata();
  if (format !== 'svg') return undefined;
  return { density: Math.min(Math.max((72 * LOGO_SIDE) / Math.max(width, height), 1), 10_000) };
}
