/**
 * Owns the judgement of redirect URIs at registration: what is wrong, and what would be right.
 * Matching them at the authorization endpoint is the library's, by exact string (RFC 9700 section 2.1).
 */

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const MAX_URIS = 10;
const MAX_LENGTH = 2_000;

// Schemes that run code, read files or open something other than an app.
const FORBIDDEN_SCHEME = /^(javascript|vbscript|data|blob|file|filesystem|about|ftp|ws|wss|chrome|view-source|intent|mailto|tel|sms):$/;

/** @returns what is wrong with a list of redirect URIs, in a sentence that begins after `redirect_uris `; undefined when all is well. */
export function redirectUrisProblem(uris: unknown, applicationType: 'web' | 'native'): string | undefined {
  if (!Array.isArray(uris) || uris.some((uri) => typeof uri !== 'string')) return 'must be an array of strings';
  if (uris.length > MAX_URIS) return `must not have more than ${MAX_URIS} members`;
  for (const uri of uris as string[]) {
    const problem = redirectUriProblem(uri, applicationType);
    if (problem) return problem;
  }
  return undefined;
}

/** Whether every one of these addresses leads to an app on the person's own device (RFC 8252 sections 7.1 and 7.3). */
export function leadToNativeApp(uris: unknown): boolean {
  return (
    Array.isArray(uris) &&
    uris.length > 0 &&
    uris.every((uri) => {
      const url = typeof uri === 'string' ? URL.parse(uri) : null;
      return !!url && (url.protocol === 'http:' ? LOOPBACK.has(url.hostname) : url.protocol !== 'https:');
    })
  );
}

/** Whether an answer sent to this address reaches an app on the person's own device, where any app may claim it (RFC 8252 sections 8.1 and 8.6). */
export function leadsToDevice(uri: string): boolean {
  const { protocol, hostname } = new URL(uri);
  if (protocol !== 'https:' && protocol !== 'http:') return true;
  return /^(127(\.\d+){3}|0\.0\.0\.0|\[::1?\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]+\]|(.+\.)?localhost\.?)$/.test(hostname);
}

// The order goes from what cannot be read to what is read and refused.
function redirectUriProblem(uri: string, applicationType: 'web' | 'native'): string | undefined {
  if (uri.length > MAX_LENGTH) return `must not have members longer than ${MAX_LENGTH} characters`;
  // The URL parser drops tabs and line breaks and mends backslashes: judge the text as it was sent.
  if (/[^\x21-\x7e]/.test(uri))
    return 'must only contain printable ASCII characters: write other characters percent-encoded, and host names in punycode';
  if (/[\\*]/.test(uri)) return 'must not contain a backslash or a wildcard: register each address in full';
  const url = URL.parse(uri);
  // The parser finds a host wherever one could be meant: `https:///cb` would lead to the host cb.
  if (!url || /^https?:(?!\/\/[^/])/i.test(uri)) return 'must only contain absolute URIs, such as https://app.example.com/callback';
  if (uri.includes('#')) return 'must not contain a fragment (RFC 6749 section 3.1.2)';
  if (url.username || url.password || /^[a-z][a-z0-9+.-]*:\/\/[^/?]*@/i.test(uri)) return 'must not contain a user name or password';
  if (/\/(\.|%2e){1,2}(\/|;|\?|$)/i.test(uri.replace(/\?.*$/, ''))) return 'must not contain dot segments';
  if (url.protocol === 'https:') return undefined;
  if (url.protocol === 'http:') {
    if (applicationType === 'native' && LOOPBACK.has(url.hostname)) return undefined;
    return applicationType === 'native'
      ? 'with http must lead to a loopback address, such as http://127.0.0.1/callback (any port is accepted)'
      : "of web clients must use https; an app on the person's own device registers as application_type native";
  }
  if (FORBIDDEN_SCHEME.test(url.protocol)) return `must not use the ${url.protocol.slice(0, -1)} scheme`;
  if (applicationType === 'web')
    return "of web clients must use https; an app on the person's own device registers as application_type native";
  // A scheme of one's own is a domain of one's own, reversed, so that no two apps share one (RFC 8252 section 7.1).
  if (!url.protocol.includes('.')) return 'with a private-use scheme must be based on a domain name, such as com.example.app:/callback';
  return undefined;
}

/** Whether it is a web origin as browsers write it, of a host that others cannot speak for. */
export function isWebOrigin(value: string): boolean {
  const url = URL.parse(value);
  return (
    url?.origin === value && (url.protocol === 'https:' || (url.protocol === 'http:' && /^(localhost|127\.0\.0\.1)$/.test(url.hostname)))
  );
}
