import { isStorable } from '../../platform/database.ts';
import type { ProviderSettings } from './providers.ts';
import { UpstreamError } from './upstream-error.ts';

/** Owns the reading of a provider's claims about a user: where each claim is, and whether it can be stored. */

/** What a provider says about a user. */
export type Details = { email?: string; emailVerified: boolean; name?: string; username?: string; locale?: string };

/** @returns the subject and details of the provider's answer. @throws UpstreamError when the subject is missing or cannot be stored. */
export function described(told: unknown, { claims, issuer }: ProviderSettings): { subject: string; details: Details } {
  const subject = read(told, issuer ? 'sub' : claims.subject);
  const text = (path: string | undefined, longest: number) => {
    const value = path === undefined ? undefined : read(told, path);
    return typeof value === 'string' && value.trim() && isStorable(value) && value.length <= longest ? value.trim() : undefined;
  };
  const id = typeof subject === 'number' && Number.isSafeInteger(subject) ? String(subject) : subject;
  if (typeof id !== 'string' || !id || id.length > 255 || !isStorable(id)) throw new UpstreamError('untrustworthy', 'no subject');
  const verified = claims.emailVerified === undefined ? undefined : read(told, claims.emailVerified);
  const found = {
    email: text(claims.email, 320),
    name: text(claims.name, 200),
    username: text(claims.username, 200),
    locale: text(claims.locale, 35),
  };
  return {
    subject: id,
    details: {
      ...JSON.parse(JSON.stringify(found)),
      emailVerified: found.email !== undefined && (verified === true || verified === 'true'),
    },
  };
}

/** @returns the names of the details that changed. */
export function differences(before: Details, now: Details): string[] {
  const members = new Set([...Object.keys(before), ...Object.keys(now)]) as Set<keyof Details>;
  return [...members].filter((member) => before[member] !== now[member]);
}

function read(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (at, member) =>
        typeof at === 'object' && at !== null && Object.hasOwn(at, member) ? (at as Record<string, unknown>)[member] : undefined,
      value,
    );
}
