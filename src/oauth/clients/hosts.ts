/**
 * Owns which hosts an address of a client may have: those whose spelling says one thing to us, to browsers, and to a Content-Security-Policy that
 * names them. And which addresses are this server's own, where no client is at home.
 */

export const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const LONGEST_NAME = 253;

/** The host as it was written; the URL parser decodes, shortens and mends it. */
const writtenHost = (uri: string): string => /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*?)(?::\d*)?(?:[/?#]|$)/i.exec(uri)?.[1] ?? '';

/**
 * Whether the host of a web address has letters, digits, hyphens and dots, as host names do (RFC 1123 section 2.1), or is an IP address as browsers
 * write it. @param uri one that the URL parser reads.
 */
export function hasPlainHost(uri: string): boolean {
  const [written, host] = [writtenHost(uri).toLowerCase(), new URL(uri).hostname];
  return written === host && (host.startsWith('[') || (host.length <= LONGEST_NAME && NAME.test(host)));
}

/** The same for an app's own scheme, where what stands there is a name of the app's: an underscore is no danger to anyone. */
export const hasPlainAuthority = (uri: string): boolean => /^[a-z0-9._-]*$/i.test(writtenHost(uri));

/**
 * Whether an address leads to this server: by http or https, by each name of the machine in development, and with the root's dot at its end.
 * @param own the origins of this server: its issuer, and where administration answers.
 */
export const isOwnOrigin = (address: string, own: readonly string[]): boolean => own.some((origin) => isAtOrigin(address, origin));

function isAtOrigin(address: string, origin: string): boolean {
  const [url, own] = [URL.parse(address), new URL(origin)];
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) return false;
  const [host, ours] = [url.hostname.replace(/\.$/, ''), own.hostname];
  // The name of the machine itself, any name below it (RFC 6761 section 6.3), and each address of the loopback interface.
  const local = (name: string) => LOOPBACK.has(name) || /(^|\.)localhost$|^127\./.test(name);
  if (host !== ours && !(local(host) && local(ours))) return false;
  // On the default ports one server answers by both schemes, or sends from one to the other. On the loopback interface no port means any.
  return portOf(url) === portOf(own) || (!url.port && !own.port && !local(ours));
}

const portOf = ({ port, protocol }: URL): string => port || (protocol === 'https:' ? '443' : '80');
