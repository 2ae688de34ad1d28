/**
 * Owns which hosts a client's address may have: those that this server, browsers and a Content-Security-Policy read in the same way.
 * Owns also which addresses belong to this server, so that no client may use them.
 */

export const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const LONGEST_NAME = 253;

/** The host as written. The URL parser decodes, shortens and corrects it. */
const writtenHost = (uri: string): string => /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*?)(?::\d*)?(?:[/?#]|$)/i.exec(uri)?.[1] ?? '';

/**
 * Whether a host consists of letters, digits, hyphens and dots, as host names do (RFC 1123 section 2.1). An IP address passes too, as browsers
 * write it. @param uri one that the URL parser reads.
 */
export function hasPlainHost(uri: string): boolean {
  const [written, host] = [writtenHost(uri).toLowerCase(), new URL(uri).hostname];
  return written === host && (host.startsWith('[') || (host.length <= LONGEST_NAME && NAME.test(host)));
}

/** The same for an app's own scheme, whose authority is a name that the app chose. An underscore is harmless there. */
export const hasPlainAuthority = (uri: string): boolean => /^[a-z0-9._-]*$/i.test(writtenHost(uri));

/**
 * Whether an address leads to this server: by http or https, by each name of the machine in development, with or without a trailing dot.
 * @param own the origins of this server: its issuer and ADMIN_ORIGIN.
 */
export const isOwnOrigin = (address: string, own: readonly string[]): boolean => own.some((origin) => isAtOrigin(address, origin));

function isAtOrigin(address: string, origin: string): boolean {
  const [url, own] = [URL.parse(address), new URL(origin)];
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) return false;
  const [host, ours] = [url.hostname.replace(/\.$/, ''), own.hostname];
  // The machine's own name, any name below it (RFC 6761 section 6.3), and each loopback address.
  const local = (name: string) => LOOPBACK.has(name) || /(^|\.)localhost$|^127\./.test(name);
  if (host !== ours && !(local(host) && local(ours))) return false;
  // On the default ports a server usually answers both schemes. A loopback address without a port may mean any port.
  return portOf(url) === portOf(own) || (!url.port && !own.port && !local(ours));
}

const portOf = ({ port, protocol }: URL): string => port || (protocol === 'https:' ? '443' : '80');
