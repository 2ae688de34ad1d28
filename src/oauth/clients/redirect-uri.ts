import { isAppScheme } from './app-schemes.ts';
import { hasPlainAuthority, hasPlainHost, isOwnOrigin, LOOPBACK } from './hosts.ts';
import { isPrivateNetwork } from './private-network.ts';

/**
 * Owns the check of redirect URIs at registration: the problem and its correction.
 * Does not match them at the authorization endpoint: see redirect-match.ts.
 */

export const MAX_URIS = 10;
const MAX_LENGTH = 2_000;

/** The possible problems. Each has a sentence in each language, `redirect_uri.<fault>` in views/messages. */
export type UriFault =
  | 'too_long'
  | 'not_ascii'
  | 'wildcard'
  | 'backslash'
  | 'relative'
  | 'fragment'
  | 'user'
  | 'dots'
  | 'host'
  | 'http'
  | 'own'
  | 'scheme'
  | 'scheme_pathless';

/** `right` is a valid correction, if one is known; `line` is the position in the list, from 1. */
export type UriProblem = { fault: UriFault; uri: string; right?: string; line: number };

/**
 * `own`: the origins of this server, which no client may use. `tryCallback`: the one address of this server that a client may have.
 * `privateHttp`: whether this http address on a private network may be registered; by default none may.
 * `held`: whether the client has the address already, from before the rule for hosts existed.
 */
export type UriRules = {
  own?: readonly string[];
  tryCallback?: string | undefined;
  privateHttp?: (uri: string) => boolean;
  held?: (uri: string) => boolean;
};

/** The message of the registration endpoint, after the address: in ASCII English, like every `error_description` (RFC 6749 section 5.2). */
const SENTENCES: Record<UriFault, string> = {
  too_long: `must not be longer than ${MAX_LENGTH} characters`,
  not_ascii: 'must only contain printable ASCII characters: write other characters percent-encoded, and host names in punycode',
  wildcard: 'must not contain a wildcard: register each address in full',
  backslash: 'must not contain a backslash: write / instead',
  relative: 'must be an absolute URI, such as https://app.example.com/callback',
  fragment: 'must not contain a fragment: leave out # and what follows (RFC 6749 section 3.1.2)',
  user: 'must not contain a user name or password: leave out what stands before @',
  dots: 'must not contain dot segments: write the path that they lead to',
  host: 'must have a host of letters, digits, hyphens and dots: write host names in punycode, and IP addresses as browsers do',
  http: 'must use https; http is allowed on localhost, 127.0.0.1 and [::1], on any port',
  own: 'must not be an address of this server itself: register an address of the app',
  scheme: "must not use this scheme, because a browser or an operating system acts on it: use https, or the app's own scheme",
  scheme_pathless: 'must have an authority or a path after its scheme, such as com.example.app:/callback',
};

/**
 * @param member the name of the member, for the message.
 * @returns the problem of a list of redirect URIs, with the index of the first wrong one; undefined for a valid list.
 */
export function redirectUrisProblem(member: string, uris: unknown, rules: UriRules = {}): string | undefined {
  if (!Array.isArray(uris) || uris.some((uri) => typeof uri !== 'string')) return `${member} must be an array of strings`;
  if (uris.filter((uri) => uri !== rules.tryCallback).length > MAX_URIS) return `${member} must not have more than ${MAX_URIS} members`;
  const [problem] = redirectUriProblems(uris, rules);
  return problem && `${member}[${problem.line - 1}]: ${received(problem)} ${sentenceOf(problem)}`;
}

/** @returns the message for one address, to be put after it; undefined for a valid address. */
export function redirectUriProblem(uri: string): string | undefined {
  const [problem] = redirectUriProblems([uri]);
  return problem && SENTENCES[problem.fault];
}

/** @returns the problem of each wrong address, with its correction. */
export function redirectUriProblems(uris: string[], rules: UriRules = {}): UriProblem[] {
  return uris.flatMap((uri, n) => {
    const fault = faultOf(uri, rules);
    if (!fault) return [];
    const right = corrected(uri, fault);
    return [{ fault, uri, line: n + 1, ...(right && !faultOf(right, rules) ? { right } : undefined) }];
  });
}

const LONGEST_QUOTED = 80;

/** The address as an error quotes it: in the characters of an `error_description`, and without a password. */
function received({ uri, fault }: UriProblem): string {
  const plain = (fault === 'user' ? uri.replace(/^([^:]*:[\\/]*)[^/?#]*@/, '$1...@') : uri).replace(/[^\x21-\x7e]|["\\]/g, '?');
  return plain.length > LONGEST_QUOTED ? `${plain.slice(0, LONGEST_QUOTED)}...` : plain || 'an empty string';
}

const sentenceOf = ({ fault, right }: UriProblem): string =>
  right && right.length <= LONGEST_QUOTED && !/["\\]/.test(right) ? `${SENTENCES[fault]}. Right would be ${right}` : SENTENCES[fault];

/**
 * A valid address that deserves advice. Each hint has a sentence, `redirect_uri.hint.<hint>` in views/messages. `right` would be better.
 */
export type UriHint = { hint: 'trailing_slash' | 'localhost' | 'development'; uri: string; right?: string };

/**
 * @param uris registered addresses, or addresses to register. @param native whether the client is an app on a device.
 * @param own the address that the portal added itself; it gets no hint.
 */
export function redirectUriHints(uris: string[], { native, own }: { native: boolean; own: string }): UriHint[] {
  const theirs = uris.filter((uri) => uri !== own);
  const pairs = theirs.filter((uri) => uri.endsWith('/') && theirs.includes(uri.slice(0, -1)) && !isLoopback(uri));
  const local = theirs.filter((uri) => (native ? /^http:\/\/localhost([:/?]|$)/.test(uri) : isLoopback(uri)));
  return [
    ...pairs.map((uri): UriHint => ({ hint: 'trailing_slash', uri, right: uri.slice(0, -1) })),
    ...local.map(
      (uri): UriHint =>
        native
          ? // Another program on the device may listen under that name and get the response (RFC 8252 section 8.3).
            { hint: 'localhost', uri, right: uri.replace(/^http:\/\/localhost(:\d+)?/, 'http://127.0.0.1') }
          : { hint: 'development', uri },
    ),
  ];
}

/** @returns the address that a wrong one most likely means. */
function corrected(uri: string, fault: UriFault): string | undefined {
  if (fault === 'fragment') return uri.replace(/#.*$/s, '');
  if (fault === 'http') return uri.replace(/^http:/i, 'https:');
  if (fault === 'user') return uri.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?]*@/i, '$1');
  if (fault === 'dots' || fault === 'host') return URL.parse(uri)?.href;
  if (fault === 'backslash') return uri.replaceAll('\\', '/');
  if (fault === 'relative' && /^[a-z0-9-]+(\.[a-z0-9-]+)+(\/|$)/i.test(uri)) return `https://${uri}`;
  if (fault === 'scheme_pathless') return `${uri.replace(/[/?].*$/, '')}/callback`;
  return undefined;
}

const isWeb = (protocol: string): boolean => protocol === 'https:' || protocol === 'http:';

/** Whether it has an app's own scheme. */
export function hasAppScheme(uri: unknown): boolean {
  const url = typeof uri === 'string' ? URL.parse(uri) : null;
  return !!url && !isWeb(url.protocol);
}

/**
 * Whether it is an http address on the loopback interface. A web client has one in development, an app at any time (RFC 8252 section 7.3).
 */
export function isLoopback(uri: unknown): boolean {
  const url = typeof uri === 'string' ? URL.parse(uri) : null;
  return url?.protocol === 'http:' && LOOPBACK.has(url.hostname);
}

/**
 * Whether the redirect URIs show that a client is an app on a device (RFC 8252). An app's own scheme always shows it. Loopback
 * addresses alone show it for a client without a secret; a web client in development has a secret.
 */
export function isNativeByAddress(uris: unknown, secretless: boolean): boolean {
  if (!Array.isArray(uris) || !uris.length) return false;
  return uris.some(hasAppScheme) || (secretless && uris.every(isLoopback));
}

/** Whether a response to this address reaches an app on the user's device, where any app may claim it (RFC 8252 sections 8.1 and 8.6). */
export function leadsToDevice(uri: string): boolean {
  const { protocol, hostname } = new URL(uri);
  if (protocol !== 'http:') return protocol !== 'https:';
  return /^(127(\.\d+){3}|0\.0\.0\.0|\[::1?\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]+\]|(.+\.)?localhost\.?)$/.test(hostname);
}

// The order goes from unreadable addresses to readable ones that are refused.
function faultOf(uri: string, { own, tryCallback, privateHttp, held }: UriRules): UriFault | undefined {
  if (uri === tryCallback) return undefined;
  if (uri.length > MAX_LENGTH) return 'too_long';
  // The URL parser drops tabs and line breaks and corrects backslashes, so this checks the text as sent.
  if (/[^\x21-\x7e]/.test(uri)) return 'not_ascii';
  if (uri.includes('*')) return 'wildcard';
  if (uri.includes('\\')) return 'backslash';
  const url = URL.parse(uri);
  // The parser finds a host where none is written: it would read `https:///cb` as the host cb.
  if (!url || /^https?:(?!\/\/[^/])/i.test(uri)) return 'relative';
  if (uri.includes('#')) return 'fragment';
  if (url.username || url.password || /^[a-z][a-z0-9+.-]*:\/\/[^/?]*@/i.test(uri)) return 'user';
  if (/\/(\.|%2e){1,2}(\/|;|\?|$)/i.test(uri.replace(/\?.*$/, ''))) return 'dots';
  if (!(isWeb(url.protocol) ? hasPlainHost(uri) : hasPlainAuthority(uri)) && !held?.(uri)) return 'host';
  if (own && isOwnOrigin(uri, own)) return 'own';
  if (url.protocol === 'https:') return undefined;
  if (url.protocol === 'http:') {
    const allowed = LOOPBACK.has(url.hostname) || (isPrivateNetwork(url.hostname) && privateHttp?.(uri));
    return allowed ? undefined : 'http';
  }
  const scheme = url.protocol.slice(0, -1);
  if (!isAppScheme(scheme)) return 'scheme';
  // A reverse domain belongs to its owner (RFC 8252 section 7.1). Another scheme must at least name a place in the app.
  return scheme.includes('.') || url.host || url.pathname ? undefined : 'scheme_pathless';
}

/** Whether it is a web origin as browsers write it, with https or on localhost. */
export function isWebOrigin(value: string): boolean {
  const url = URL.parse(value);
  return (
    url?.origin === value &&
    hasPlainHost(value) &&
    (url.protocol === 'https:' || (url.protocol === 'http:' && /^(localhost|127\.0\.0\.1)$/.test(url.hostname)))
  );
}
