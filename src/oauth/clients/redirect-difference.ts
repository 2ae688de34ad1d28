import { isRegistered } from './redirect-match.ts';
import { isLoopback } from './redirect-uri.ts';

/**
 * Owns the difference between a received redirect URI and the registered ones. Addresses are compared exactly (RFC 9700 section 2.1),
 * and a small difference is hard to see. Decides nothing: see redirect-uri.ts and redirect-match.ts.
 */

/** The kinds of difference, each with its own sentence. `spelling` means that a browser would treat both as the same address. */
export const DIFFERENCES = [
  'unreadable',
  'scheme',
  'host',
  'port',
  'trailing_slash',
  'letter_case',
  'path',
  'query',
  'fragment',
  'user_info',
  'spelling',
] as const;

export type Difference = (typeof DIFFERENCES)[number];

// The weight of each difference. A different host means a different address altogether.
const WEIGHTS: Record<Difference, number> = {
  unreadable: 40,
  host: 12,
  path: 5,
  scheme: 3,
  port: 2,
  query: 2,
  user_info: 2,
  fragment: 1,
  trailing_slash: 1,
  letter_case: 1,
  spelling: 1,
};

export type Nearest = { registered: string; differences: Difference[] };

/** @returns the registered address that the sender most likely meant; undefined when none is registered. */
export function nearestRedirectUri(received: string, registered: readonly string[]): Nearest | undefined {
  const compared = registered.map((uri) => ({ registered: uri, differences: differencesOf(received, uri) }));
  const far = ({ differences }: Nearest) => differences.reduce((sum, difference) => sum + WEIGHTS[difference], 0);
  return compared.sort((a, b) => far(a) - far(b))[0];
}

/** @returns an empty list for the same address. */
export function differencesOf(received: string, registered: string): Difference[] {
  if (isRegistered(received, [registered])) return [];
  const [a, b] = [URL.parse(received), URL.parse(registered)];
  if (!a || !b) return ['unreadable'];
  const found: Difference[] = [
    ...(a.protocol !== b.protocol ? (['scheme'] as const) : []),
    ...(a.hostname !== b.hostname ? (['host'] as const) : []),
    ...(a.port !== b.port && !(isLoopback(received) && isLoopback(registered)) ? (['port'] as const) : []),
    ...pathDifference(a.pathname, b.pathname),
    ...(a.search !== b.search ? (['query'] as const) : []),
    ...(received.includes('#') ? (['fragment'] as const) : []),
    ...(a.username || a.password ? (['user_info'] as const) : []),
  ];
  return found.length ? found : ['spelling'];
}

function pathDifference(received: string, registered: string): Difference[] {
  if (received === registered) return [];
  const bare = (path: string) => path.replace(/\/$/, '');
  if (bare(received) === bare(registered)) return ['trailing_slash'];
  if (received.toLowerCase() === registered.toLowerCase()) return ['letter_case'];
  if (bare(received).toLowerCase() === bare(registered).toLowerCase()) return ['trailing_slash', 'letter_case'];
  return ['path'];
}

const LONGEST = 500;

/**
 * A received address in a form that may be stored and shown to an owner, because it may contain a secret. Leaves out a fragment, a
 * password,
 * and the values of an unregistered query.
 */
export function presentable(received: string, registered: readonly string[]): string {
  const text = received.replace(/[^\x21-\x7e]/g, '_');
  const [, before = '', query, fragment] = /^([^?#]*)(\?[^#]*)?(#.*)?$/.exec(text) ?? [];
  const known = query !== undefined && registered.some((uri) => uri.includes('?') && uri.slice(uri.indexOf('?')) === query);
  const shown = [
    before.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, '$1…@'),
    known ? query : (query?.replace(/([?&][^=&]{0,40})[^&]*/g, (_all, name: string) => `${name}=…`) ?? ''),
    fragment === undefined ? '' : '#…',
  ].join('');
  return shown.length > LONGEST ? `${shown.slice(0, LONGEST)}…` : shown;
}
