/**
 * Owns what of the database outlives it: which tables an export takes along, and which it leaves, and why. Nothing in it opens anything here:
 * no token, code or session goes along, so that all that were issued are refused once it is restored, whenever that is.
 */

/** In an order in which each row finds what it refers to; and by what its rows are sorted, so that the same rows are the same file. */
export const DURABLE: readonly (readonly [table: string, key: string])[] = [
  ['user_account', 'id'],
  ['resource_server', 'identifier'],
  ['scope', 'resource_server_id, name'],
  ['client', 'id'],
  ['client_secret', 'digest'],
  ['client_owner', 'client_id, account_id'],
  ['client_invitation', 'id'],
  ['resting_username', 'id'],
  ['grant_record', 'id'],
  ['passkey', 'id'],
  ['totp_factor', 'account_id'],
  ['recovery_code', 'digest'],
  ['upstream_provider', 'id'],
  ['upstream_service', 'provider_id, name'],
  ['upstream_identity', 'id'],
  ['upstream_token', 'id'],
  ['upstream_revocation', 'id'],
  ['signing_key', 'kid'],
  ['initial_access_token', 'id'],
  ['software_statement_issuer', 'issuer'],
  ['post', 'id'],
  ['audit_event', 'id'],
  ['hourly_count', 'hour, name, label'],
];

export const LEFT_OUT: Readonly<Record<string, string>> = {
  authorization_code: 'a live credential: what was issued before a restore is refused after it',
  token: 'live credentials: what was issued before a restore is refused after it, and apps ask their people to sign in again',
  session: 'a live credential: people sign in again',
  protocol_record:
    'live credentials, and proofs that one was used: interactions, pushed requests, device codes, registration access tokens',
  one_time_token: 'a live credential, of minutes: its person asks for another',
  not_me_link: 'a live credential, of seven days: after a restore the user resets the password by mail instead',
  upstream_visit: 'somebody on their way to a provider and back, for minutes',
  mail: 'what waits would be sent twice, and what it has expires in minutes',
  rate_limit: 'counts of minutes',
  key_use: 'which keys the nodes of one installation write with: those of another find out for themselves',
  idempotency_key: 'answers of a day, which may have secrets in them',
  kept_answer: 'answers of a minute, sealed under what a browser sent',
  client_logo: 'pictures that are fetched again from the addresses that clients name, once those are restored',
  client_pkce_use: 'what sign-ins of the last days were like: the next ones are recorded again',
  client_error: 'for reading while something goes wrong; a month old at most',
};

/** Changed with the shape of the file. */
export const FORMAT = 1;

/** The first line of an export. */
export type Header = {
  munjigi: 'data';
  format: number;
  exportedAt: string;
  issuer: string;
  /** Those that the database had seen. */
  migrations: string[];
  rows: Record<string, number>;
};

/** The last line: of all bytes before it. */
export type Trailer = { end: true; rows: Record<string, number>; sha256: string };

/** A line between them is a table's name and a row of it, as Postgres writes it. */
export const lineOf = (table: string, row: string): string => `["${table}",${row}]`;

/** @returns the row as it was written: numbers are not read, which may have more digits than a number of ours. */
export function rowOf(line: string): { table: string; row: string } | undefined {
  const [, table, row] = /^\["([a-z_]+)",(\{.*\})\]$/s.exec(line) ?? [];
  return table && row && DURABLE.some(([name]) => name === table) ? { table, row } : undefined;
}
