import { LOOPBACK } from './redirect-uri.ts';

/**
 * Owns the judgement of addresses that a client gives beside its redirect URIs: pages that people are led to, and documents that are fetched.
 * Fetching them safely is platform/outgoing.ts's.
 */

const MAX_LENGTH = 2_000;

/**
 * @param loopback whether a page may be on the developer's own machine, by http.
 * @returns what is wrong with an address, in a sentence that begins after the member's name; undefined when all is well.
 */
export function webLinkProblem(link: string, loopback: boolean): string | undefined {
  if (link.length > MAX_LENGTH) return `must not be longer than ${MAX_LENGTH} characters`;
  // The URL parser drops tabs and line breaks and mends backslashes: judge the text as it was sent.
  if (/[^\x21-\x7e]/.test(link))
    return 'must only contain printable ASCII characters: write other characters percent-encoded, and host names in punycode';
  const url = URL.parse(link);
  const web = url && /^https?:\/\/[^/\\]/i.test(link);
  const https = web && (url.protocol === 'https:' || (loopback && LOOPBACK.has(url.hostname)));
  if (!https) return 'must be an absolute https address, such as https://app.example.com/terms';
  if (link.includes('\\')) return 'must not contain a backslash';
  if (url.username || url.password || /^https?:\/\/[^/?#]*@/i.test(link)) return 'must not contain a user name or password';
  return undefined;
}
