/**
 * Owns the judgement of redirect URIs at registration: what is wrong, and what would be right.
 * Matching them at the authorization endpoint is the library's, by exact string (RFC 9700 section 2.1).
 */

export const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
export const MAX_URIS = 10;
const MAX_LENGTH = 2_000;

// Schemes that run code, read files or open something other than an app.
const FORBIDDEN_SCHEME = /^(javascript|vbscript|data|blob|file|filesystem|about|ftp|ws|wss|chrome|view-source|intent|mailto|tel|sms):$/;

/** What can be wrong with one; each has a sentence in each language, `redirect_uri.<fault>` in views/messages. */
export type UriFault =
  | 'too_long'
  | 'not_ascii'
  | 'wildcard'
  | 'backslash'
  | 'relative'
  | 'fragment'
  | 'user'
  | 'dots'
  | 'http_native'
  | 'http_web'
  | 'loopback_web'
  | 'scheme'
  | 'scheme_web'
  | 'scheme_dotless';

/** `right` is what could be registered in its place, as far as that can be told; `line` the place in the list, from 1. */
export type UriProblem = { fault: UriFault; uri: string; right?: string; line: number };

const NATIVE_ONLY = "of web clients must use https; an app on the person's own device registers as application_type native";
const NO_PATTERN = 'must not contain a backslash or a wildcard: register each address in full';

/** As the registration endpoint says it, after `redirect_uris `: in ASCII English, like every `error_description` (RFC 6749 section 5.2). */
const SENTENCES: Record<UriFault, string> = {
  too_long: `must not have members longer than ${MAX_LENGTH} characters`,
  not_ascii: 'must only contain printable ASCII characters: write other characters percent-encoded, and host names in punycode',
  wildcard: NO_PATTERN,
  backslash: NO_PATTERN,
  relative: 'must only contain absolute URIs, such as https://app.example.com/callback',
  fragment: 'must not contain a fragment (RFC 6749 section 3.1.2)',
  user: 'must not contain a user name or password',
  dots: 'must not contain dot segments',
  http_native: 'with http must lead to a loopback address, such as http://127.0.0.1/callback (any port is accepted)',
  http_web: NATIVE_ONLY,
  loopback_web: NATIVE_ONLY,
  scheme: 'must not use the {scheme} scheme',
  scheme_web: NATIVE_ONLY,
  scheme_dotless: 'with a private-use scheme must be based on a domain name, such as com.example.app:/callback',
};

/** @returns what is wrong with a list of redirect URIs, in a sentence that begins after `redirect_uris `; undefined when all is well. */
export function redirectUrisProblem(uris: unknown, applicationType: 'web' | 'native'): string | undefined {
  if (!Array.isArray(uris) || uris.some((uri) => typeof uri !== 'string')) return 'must be an array of strings';
  if (uris.length > MAX_URIS) return `must not have more than ${MAX_URIS} members`;
  const [problem] = redirectUriProblems(uris, applicationType);
  return problem && SENTENCES[problem.fault].replace('{scheme}', schemeOf(problem.uri));
}

/** What is wrong with each of them that is wrong, and what would be right. */
export function redirectUriProblems(uris: string[], applicationType: 'web' | 'native'): UriProblem[] {
  return uris.flatMap((uri, n) => {
    const fault = faultOf(uri, applicationType);
    if (!fault) return [];
    const right = mended(uri, fault);
    return [{ fault, uri, line: n + 1, ...(right && !faultOf(right, applicationType) ? { right } : undefined) }];
  });
}

/** What is well formed and yet perhaps not meant: each has a sentence, `redirect_uri.hint.<hint>` in views/messages. */
export type UriHint = { hint: 'trailing_slash' | 'localhost'; uri: string; right: string };

/** @param uris that are registered, or may be. */
export function redirectUriHints(uris: string[]): UriHint[] {
  const pairs = uris.filter((uri) => uri.endsWith('/') && uris.includes(uri.slice(0, -1)));
  const local = uris.filter((uri) => /^http:\/\/localhost([:/?]|$)/.test(uri));
  return [
    ...pairs.map((uri): UriHint => ({ hint: 'trailing_slash', uri, right: uri.slice(0, -1) })),
    // Whatever else answers to that name on a device gets the answer (RFC 8252 section 8.3).
    ...local.map((uri): UriHint => ({ hint: 'localhost', uri, right: uri.replace(/^http:\/\/localhost(:\d+)?/, 'http://127.0.0.1') })),
  ];
}

/** The nearest that could be meant by one that is wrong. */
function mended(uri: string, fault: UriFault): string | undefined {
  if (fault === 'fragment') return uri.replace(/#.*$/s, '');
  if (fault === 'http_web') return uri.replace(/^http:/i, 'https:');
  if (fault === 'user') return uri.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?]*@/i, '$1');
  if (fault === 'dots') return URL.parse(uri)?.href;
  if (fault === 'backslash') return uri.replaceAll('\\', '/');
  if (fault === 'relative' && /^[a-z0-9-]+(\.[a-z0-9-]+)+(\/|$)/i.test(uri)) return `https://${uri}`;
  if (fault === 'scheme_dotless') return `com.example.${uri}`;
  return undefined;
}

const schemeOf = (uri: string): string => URL.parse(uri)?.protocol.slice(0, -1) ?? '';

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
function faultOf(uri: string, applicationType: 'web' | 'native'): UriFault | undefined {
  if (uri.length > MAX_LENGTH) return 'too_long';
  // The URL parser drops tabs and line breaks and mends backslashes: judge the text as it was sent.
  if (/[^\x21-\x7e]/.test(uri)) return 'not_ascii';
  if (uri.includes('*')) return 'wildcard';
  if (uri.includes('\\')) return 'backslash';
  const url = URL.parse(uri);
  // The parser finds a host wherever one could be meant: `https:///cb` would lead to the host cb.
  if (!url || /^https?:(?!\/\/[^/])/i.test(uri)) return 'relative';
  if (uri.includes('#')) return 'fragment';
  if (url.username || url.password || /^[a-z][a-z0-9+.-]*:\/\/[^/?]*@/i.test(uri)) return 'user';
  if (/\/(\.|%2e){1,2}(\/|;|\?|$)/i.test(uri.replace(/\?.*$/, ''))) return 'dots';
  if (url.protocol === 'https:') return undefined;
  const loopback = LOOPBACK.has(url.hostname);
  if (url.protocol === 'http:') {
    if (applicationType === 'native') return loopback ? undefined : 'http_native';
    return loopback ? 'loopback_web' : 'http_web';
  }
  if (FORBIDDEN_SCHEME.test(url.protocol)) return 'scheme';
  if (applicationType === 'web') return 'scheme_web';
  // A scheme of one's own is a domain of one's own, reversed, so that no two apps share one (RFC 8252 section 7.1).
  return url.protocol.includes('.') ? undefined : 'scheme_dotless';
}

/** Whether it is a web origin as browsers write it, of a host that others cannot speak for. */
export function isWebOrigin(value: string): boolean {
  const url = URL.parse(value);
  return (
    url?.origin === value && (url.protocol === 'https:' || (url.protocol === 'http:' && /^(localhost|127\.0\.0\.1)$/.test(url.hostname)))
  );
}
