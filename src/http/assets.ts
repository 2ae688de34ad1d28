import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Context, Next } from 'koa';

const FOLDER = join(import.meta.dirname, '../../views/assets');
const TYPES: Record<string, string> = { '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

// Read once: a few small files, and 3 MB of fonts.
const files = new Map(
  readdirSync(FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extname(entry.name) in TYPES)
    .map((entry) => {
      const body = readFileSync(join(entry.parentPath, entry.name));
      const path = join(entry.parentPath, entry.name)
        .slice(FOLDER.length + 1)
        .replaceAll('\\', '/');
      return [
        path,
        { body, version: createHash('sha256').update(body).digest('hex').slice(0, 10), type: TYPES[extname(entry.name)] as string },
      ];
    }),
);

/**
 * @returns the path of a file below views/assets with its version, so that browsers may cache it forever.
 * @throws Error for an unknown file.
 */
export function assetUrl(path: string): string {
  const file = files.get(path);
  if (!file) throw new Error(`no asset ${path}`);
  return `/assets/${path}?v=${file.version}`;
}

/** Serves views/assets. It serves only files found at start: the request path is a key here, never a path on disk. */
export function assets() {
  return (ctx: Context, next: Next) => {
    if (!ctx.path.startsWith('/assets/') || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    const file = files.get(ctx.path.slice('/assets/'.length));
    if (!file) return next();
    ctx.type = file.type;
    ctx.set('Cache-Control', 'public, max-age=31536000, immutable');
    ctx.body = file.body;
  };
}
