import { isAppScheme } from './app-schemes.ts';
import { hasPlainHost, isOwnOrigin, LOOPBACK } from './hosts.ts';

/**
 * Owns the check of `allowed_origins`: origins of pages that call this server as the client and are no redirect URI. A web view or a desktop
 * shell has such an origin. Browsers compare origins exactly, so each must be written as a browser sends it (RFC 6454 section 6.2).
 */

export const MAX_ORIGINS = 10;
const MAX_LENGTH = 255;

// An extension's scheme is no app's own scheme in a redirect, but each extension has its own origin.
const EXTENSIONS = new Set(['chrome-extension', 'moz-extension', 'safari-web-extension']);

const RIGHT = 'such as https://app.example.com, http://localhost:5173 or capacitor://localhost';

/** @returns the problem of the member, as a message that follows `allowed_origins `; undefined for a valid one. */
export function allowedOriginsProblem(origins: unknown, ownOrigins: readonly string[]): string | undefined {
  if (!Array.isArray(origins) || origins.some((origin) => typeof origin !== 'string')) return `must be an array of origins, ${RIGHT}`;
  if (origins.length > MAX_ORIGINS) return `must not have more than ${MAX_ORIGINS} members`;
  const wrong = origins.findIndex((origin) => !isOrigin(origin));
  const own = origins.findIndex((origin) => isOwnOrigin(origin, ownOrigins));
  if (wrong < 0 && own >= 0) return `must not contain the origin of this server itself: member ${own} is ${quoted(origins[own])}`;
  return wrong < 0
    ? undefined
    : `must only contain origins, ${RIGHT}: without path, pattern or user, http on a loopback host alone; member ${wrong} is ${quoted(origins[wrong])}`;
}

function isOrigin(value: string): boolean {
  const url = value.length > MAX_LENGTH ? null : URL.parse(value);
  if (!url) return false;
  if (url.protocol === 'https:') return url.origin === value && hasPlainHost(value);
  // A name below localhost is the machine's own too, and some desktop shells use one (RFC 6761 section 6.3).
  if (url.protocol === 'http:')
    return url.origin === value && hasPlainHost(value) && (LOOPBACK.has(url.hostname) || /^([a-z0-9-]+\.)+localhost$/.test(url.hostname));
  const [, scheme = ''] = /^([a-z][a-z0-9+.-]*):\/\/[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?::[1-9]\d{0,4})?$/.exec(value) ?? [];
  return isAppScheme(scheme) || EXTENSIONS.has(scheme);
}

// An error description is printable ASCII without quotes (RFC 6749 section 5.2).
const quoted = (value: string) => value.slice(0, 100).replace(/[^\x21\x23-\x5b\x5d-\x7e]/g, '?') || 'empty';
