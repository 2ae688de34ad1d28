import { isOwnOrigin } from './hosts.ts';

/**
 * Owns whether an address that a client names is one that it registered: by exact string (RFC 9700 section 2.1), and on the loopback interface
 * by everything but the port (RFC 8252 section 7.3).
 */

const LOOPBACK_HTTP = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(\/[^?#]*)?(\?[^#]*)?$/;

/**
 * A client in development, and an app on a device, cannot know which port is free: the port may differ, and no path is the path `/`.
 * @param registered redirect URIs, or those for after a sign-out. @param issuer this server, which is at one of these ports in development: no answer
 * comes to its own pages because a client left the port open.
 */
export function isRegistered(received: unknown, registered: readonly string[], issuer?: string): boolean {
  if (typeof received !== 'string') return false;
  if (registered.includes(received)) return true;
  if (issuer !== undefined && isOwnOrigin(received, [issuer])) return false;
  const address = withoutPort(received);
  return address !== undefined && registered.some((uri) => withoutPort(uri) === address);
}

/** @returns undefined for what is no http address on the loopback interface. */
function withoutPort(uri: string): string | undefined {
  const [, host, path = '/', query = ''] = LOOPBACK_HTTP.exec(uri) ?? [];
  // A port beyond 65535 makes it no address at all.
  return host && URL.canParse(uri) ? `${host}${path}${query}` : undefined;
}
