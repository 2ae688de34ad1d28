import { LOOPBACK } from './hosts.ts';

/**
 * Owns the judgement of addresses that a client gives beside its redirect URIs: pages that people are led to, and documents that are fetched.
 * Fetching them safely is platform/outgoing.ts's.
 */

const MAX_LENGTH = 2_000;

/** What can be wrong with one; each has a sentence in each language, `link.<fault>` in views/messages. */
export type LinkFault = 'too_long' | 'not_ascii' | 'not_https' | 'backslash' | 'user' | 'host';

/** As the registration endpoint says it, after the member's name. */
const SENTENCES: Record<LinkFault, string> = {
  too_long: `must not be longer than ${MAX_LENGTH} characters`,
  not_ascii: 'must only contain printable ASCII characters: write other characters percent-encoded, and host names in punycode',
  not_https: 'must be an absolute https address, such as https://app.example.com/terms',
  backslash: 'must not contain a backslash',
  user: 'must not contain a user name or password',
  host: 'must have a host of letters, digits, hyphens and dots: write host names in punycode',
};

/**
 * @param loopback whether a page may be on the developer's own machine, by http.
 * @returns what is wrong with an address; undefined when all is well.
 */
export function webLinkFault(link: string, loopback: boolean): LinkFault | undefined {
  if (link.length > MAX_LENGTH) return 'too_long';
  // The URL parser drops tabs and line breaks and mends backslashes: judge the text as it was sent.
  if (/[^\x21-\x7e]/.test(link)) return 'not_ascii';
  const url = URL.parse(link);
  const web = url && /^https?:\/\/[^/\\]/i.test(link);
  const https = web && (url.protocol === 'https:' || (loopback && LOOPBACK.has(url.hostname)));
  if (!https) return 'not_https';
  if (link.includes('\\')) return 'backslash';
  if (url.username || url.password || /^https?:\/\/[^/?#]*@/i.test(link)) return 'user';
  // An underscore stands in the names of sites that exist.
  if (!/^(\[[0-9a-f:]+\]|[a-z0-9._-]+)$/.test(url.hostname)) return 'host';
  return undefined;
}

/** The same in a sentence that begins after the member's name. */
export function webLinkProblem(link: string, loopback: boolean): string | undefined {
  const fault = webLinkFault(link, loopback);
  return fault && SENTENCES[fault];
}
