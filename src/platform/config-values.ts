import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { problemOf } from './database-address.ts';

/** Owns the syntax of single values of the configuration. config-schema.ts lists the variables. */

export const commaList = (value: string) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);

/** A whole number. @param what for the error text, such as `a port number`. */
export const count = (what: string, least: number, most: number) =>
  z.coerce
    .number(`must be ${what} from ${least} to ${most}`)
    .int('must be a whole number')
    .min(least, `must be ${least} or more`)
    .max(most, `must be ${most} or less`);

export const LARGEST_LIMIT = 1_000_000;

/** Networks with a number each, such as 203.0.113.0/24=5000. @returns undefined for invalid text. */
export function readQuotas(value: string): { network: string; most: number }[] | undefined {
  const quotas = commaList(value).map((part) => {
    const [network = '', most = '', ...more] = part.split('=').map((side) => side.trim());
    const right = isRange(network) && !more.length && /^\d{1,7}$/.test(most) && Number(most) >= 1 && Number(most) <= LARGEST_LIMIT;
    return right ? { network, most: Number(most) } : undefined;
  });
  return quotas.every((quota) => quota !== undefined) ? quotas : undefined;
}

/** Networks with a port each, such as 10.1.0.0/16=443. @returns undefined for invalid text. */
export function readOpenings(value: string): { network: string; port: number }[] | undefined {
  const openings = commaList(value).map((part) => {
    const [network = '', port = '', ...more] = part.split('=').map((side) => side.trim());
    const right = isRange(network) && !more.length && /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535;
    return right ? { network, port: Number(port) } : undefined;
  });
  return openings.every((opening) => opening !== undefined) ? openings : undefined;
}

/** Requests for which this server stores something for a while, and which it therefore limits. */
export type RequestKind = 'authorize' | 'par' | 'device' | 'token';
const REQUEST_LIMITS: Record<RequestKind, number> = { authorize: 600, par: 1_200, device: 300, token: 2_000 };

/**
 * Requests a minute by kind, such as authorize=600,token=2000. Kinds that are not named get the default.
 * @returns undefined for invalid text.
 */
export function readRequestLimits(value: string): Record<RequestKind, number> | undefined {
  const limits = { ...REQUEST_LIMITS };
  for (const part of commaList(value)) {
    const [kind = '', most = '', ...more] = part.split('=').map((side) => side.trim());
    const right =
      Object.hasOwn(limits, kind) && !more.length && /^\d{1,7}$/.test(most) && Number(most) >= 1 && Number(most) <= LARGEST_LIMIT;
    if (!right) return undefined;
    limits[kind as RequestKind] = Number(most);
  }
  return limits;
}

/** database-address.ts supplies the error text. */
export const reachable = (url: string, context: z.RefinementCtx): void => {
  const problem = problemOf(url);
  if (problem) context.addIssue(problem);
};

export const isRange = (range: string) => ipaddr.isValid(range) || ipaddr.isValidCIDR(range);

export const isOrigin = (value: string) => {
  const url = URL.parse(value);
  return !!url && (url.protocol === 'http:' || url.protocol === 'https:') && url.origin === value;
};

/** Whether an origin names this machine only (RFC 6761 section 6.3). */
export const isLoopback = (origin: string) => /^(127\.0\.0\.1|\[::1\]|([a-z0-9-]+\.)*localhost)$/.test(URL.parse(origin)?.hostname ?? '');

// Of all connection options that a URL may carry, only `requireTLS` is the operator's decision: see smtp.ts.
export const isRelay = (value: string) => {
  const url = URL.parse(value);
  return (
    !!url &&
    (url.protocol === 'smtp:' || url.protocol === 'smtps:') &&
    !!url.hostname &&
    ['', '/'].includes(url.pathname) &&
    /^(\?requireTLS=(true|false))?$/.test(url.search)
  );
};

const isPage = (value: string) => ['http:', 'https:'].includes(URL.parse(value)?.protocol ?? '');
export const page = z.string().refine(isPage, 'must be the address of a page, such as https://example.com/terms').optional();

const MAIL_LINK = /^mailto:[^\s<>@"?&#]+@[^\s<>@"?&#]+$/;
export const support = z
  .string()
  .refine(
    (value) => isPage(value) || MAIL_LINK.test(value),
    'must be the address of a page or of a mailbox, such as https://example.com/help or mailto:help@example.com',
  )
  .optional();

// An address, or a name and an address. The name has no character that needs quoting.
export const SENDER = /^(?:[\p{L}\p{N} ._-]+ <[^\s<>@"]+@[^\s<>@"]+>|[^\s<>@"]+@[^\s<>@"]+)$/u;
