import { type Database, Prisma, type Statement } from '../platform/database.ts';
import type { Log } from '../platform/log.ts';
import { everyFewSeconds, writeBehind } from '../platform/write-behind.ts';

/**
 * Owns how often events happen: collected in memory by the hour and written later, so that no request waits. Counts never name a user or
 * client, and the labels are a small fixed set. A killed process loses the last few seconds of its counts. Sign-ins are counted here too:
 * the audit log has a row for each, too many to add up for a page.
 */

const GRANT_TYPES: Record<string, string> = {
  'urn:ietf:params:oauth:grant-type:device_code': 'device_code',
  'urn:ietf:params:oauth:grant-type:token-exchange': 'token_exchange',
};

/** What is counted, and with which labels. Any other label counts as `other`, so that strangers cannot create rows. */
const LABELS = {
  sign_in: ['password', 'passkey', 'upstream', 'sign_up', 'reset'],
  sign_in_failed: ['password', 'passkey', 'upstream', 'factor'],
  token: ['authorization_code', 'refresh_token', 'client_credentials', 'device_code', 'token_exchange'],
  authorization: ['success'],
  introspection: ['active', 'inactive'],
  registration: ['success'],
  // X-Forwarded-For from a peer that TRUST_PROXY does not list.
  forwarded: ['unlisted'],
  // Requests above the limit of one network: features/request-limits/request-budgets.ts.
  limited: ['authorize', 'par', 'device', 'token'],
  // RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, RFC 7591 section 3.2.2, RFC 8628 section 3.5, RFC 8693, RFC 8707, RFC 9449,
  // OpenID Connect Core.
  error: [
    'access_denied',
    'authorization_pending',
    'consent_required',
    'expired_token',
    'insufficient_scope',
    'interaction_required',
    'invalid_client',
    'invalid_client_metadata',
    'invalid_dpop_proof',
    'invalid_grant',
    'invalid_redirect_uri',
    'invalid_request',
    'invalid_scope',
    'invalid_software_statement',
    'invalid_target',
    'invalid_token',
    'login_required',
    'server_error',
    'slow_down',
    'temporarily_unavailable',
    'unapproved_software_statement',
    'unauthorized_client',
    'unmet_authentication_requirements',
    'unsupported_grant_type',
    'unsupported_response_type',
    'use_dpop_nonce',
  ],
} as const;

export type CountName = keyof typeof LABELS;

/** The labels of a count, in display order. */
export const labelsOf = (name: CountName): string[] => [...LABELS[name], 'other'];

export type Counted = { hour: Date; name: CountName; label: string; count: number };

export type Counts = {
  /** Adds one. It costs two map look-ups. */
  add(name: CountName, label: string | undefined): void;
  /** @returns and removes what was added since the last call. */
  take(): Counted[];
  /** Returns counts that could not be written. */
  giveBack(counted: Counted[]): void;
};

const HOUR_MS = 3_600_000;
const KNOWN = new Map(Object.entries(LABELS).map(([name, labels]) => [name, new Set<string>(labels)]));

/** @param now milliseconds since 1970. */
export function createCounts(now: () => number = Date.now): Counts {
  let kept = new Map<string, Counted>();
  const addTo = (hourMs: number, name: CountName, label: string, count: number) => {
    const key = `${hourMs} ${name} ${label}`;
    const entry = kept.get(key);
    if (entry) entry.count += count;
    else kept.set(key, { hour: new Date(hourMs), name, label, count });
  };
  return {
    add(name, said = '') {
      const label = Object.hasOwn(GRANT_TYPES, said) ? (GRANT_TYPES[said] as string) : said;
      addTo(Math.floor(now() / HOUR_MS) * HOUR_MS, name, KNOWN.get(name)?.has(label) ? label : 'other', 1);
    },
    take() {
      const taken = [...kept.values()];
      kept = new Map();
      return taken;
    },
    giveBack(counted) {
      for (const { hour, name, label, count } of counted) addTo(hour.getTime(), name, label, count);
    },
  };
}

/** Adds to the stored counts of all nodes. One statement with sorted rows, so that no two nodes deadlock. */
export function addCounts(counted: Counted[]): Statement {
  const [hours, names, labels, counts] = [
    counted.map(({ hour }) => hour.toISOString()),
    counted.map(({ name }) => name),
    counted.map(({ label }) => label),
    counted.map(({ count }) => count),
  ];
  return Prisma.sql`
    insert into hourly_count (hour, name, label, count)
    select * from unnest(${hours}::timestamptz[], ${names}::text[], ${labels}::text[], ${counts}::bigint[]) as c (hour, name, label, count) order by 1, 2, 3
    on conflict (hour, name, label) do update set count = hourly_count.count + excluded.count`;
}

/** Writes the counts every few seconds and at shutdown. */
export const keepCountsWritten = ({ counts, database, log }: { counts: Counts; database: Database; log: Log }) =>
  everyFewSeconds(writeBehind(counts, { database, log, statement: addCounts, event: 'counts_wait' }));
