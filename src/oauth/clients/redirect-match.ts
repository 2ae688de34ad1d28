import { isOwnOrigin } from './hosts.ts';

/**
 * Owns whether a received address is a registered one. The comparison is exact (RFC 9700 section 2.1). On the loopback interface it ignores
 * the port (RFC 8252 section 7.3).
 */

const LOOPBACK_HTTP = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(\/[^?#]*)?(\?[^#]*)?$/;

/**
 * A client in development or an app on a device cannot know which port is free. So the port may differ, and no path equals the path `/`.
 * @param registered redirect URIs or post-logout redirect URIs.
 * @param issuer this server, which uses such a port in development. Its own pages get no response just because a client left the port open.
 */
export function isRegistered(received: unknown, registered: readonly string[], issuer?: string): boolean {
  if (typeof received !== 'string') return false;
  if (registered.includes(received)) return true;
  if (issuer !== undefined && isOwnOrigin(received, [issuer])) return false;
  const address = withoutPort(received);
  return address !== undefined && registered.some((uri) => withoutPort(uri) === address);
}

/** @returns undefined for anything but an http address on the loopback interface. */
function withoutPort(uri: string): string | undefined {
  const [, host, path = '/', query = ''] = LOOPBACK_HTTP.exec(uri) ?? [];
  // With a port above 65535 it is no address.
  return host && URL.canParse(uri) ? `${host}${path}${query}` : undefined;
}
