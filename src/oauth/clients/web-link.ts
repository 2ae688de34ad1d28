import { LOOPBACK } from './hosts.ts';

/**
 * Owns the check of a client's addresses other than redirect URIs: pages that users open, and documents that this server fetches.
 * platform/outgoing.ts fetches them safely.
 */

const MAX_LENGTH = 2_000;

/** The possible problems. Each has a sentence in each language, `link.<fault>` in views/messages. */
export type LinkFault = 'too_long' | 'not_ascii' | 'not_https' | 'backslash' | 'user' | 'host';

/** The message of the registration endpoint, after the member's name. */
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
 * @returns the problem of an address; undefined for a valid one.
 */
export function webLinkFault(link: string, loopback: boolean): LinkFault | undefined {
  if (link.length > MAX_LENGTH) return 'too_long';
  // The URL parser drops tabs and line breaks and corrects backslashes, so this checks the text as sent.
  if (/[^\x21-\x7e]/.test(link)) return 'not_ascii';
  const url = URL.parse(link);
  const web = url && /^https?:\/\/[^/\\]/i.test(link);
  const https = web && (url.protocol === 'https:' || (loopback && LOOPBACK.has(url.hostname)));
  if (!https) return 'not_https';
  if (link.includes('\\')) return 'backslash';
  if (url.username || url.password || /^https?:\/\/[^/?#]*@/i.test(link)) return 'user';
  // Host names of some existing sites contain an underscore.
  if (!/^(\[[0-9a-f:]+\]|[a-z0-9._-]+)$/.test(url.hostname)) return 'host';
  return undefined;
}

/** The same as a message that follows the member's name. */
export function webLinkProblem(link: string, loopback: boolean): string | undefined {
  const fault = webLinkFault(link, loopback);
  return fault && SENTENCES[fault];
}
