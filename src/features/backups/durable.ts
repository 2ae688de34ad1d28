/**
 * Owns which tables an export contains, and which it omits and why. An export contains no token, code or session, so after a restore the
 * server refuses all that were issued before.
 */

/** Sorted so that each row's references come first. The key sorts the rows, so that equal data gives an equal file. */
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

/** Increases with each change of the file format. */
export const FORMAT = 1;

/** The first line of an export. */
export type Header = {
  munjigi: 'data';
  format: number;
  exportedAt: string;
  issuer: string;
  /** Migrations that the database has applied. */
  migrations: string[];
  rows: Record<string, number>;
};

/** The last line; its digest covers all bytes before it. */
export type Trailer = { end: true; rows: Record<string, number>; sha256: string };

/** The lines between them: a table's name and one row, as Postgres writes it. */
export const lineOf = (table: string, row: string): string => `["${table}",${row}]`;

/** @returns the row as text. It is not parsed, because its numbers may have more digits than a JavaScript number. */
export function rowOf(line: string): { table: string; row: string } | undefined {
  const [, table, row] = /^\["([a-z_]+)",(\{.*\})\]$/s.exec(line) ?? [];
  return table && row && DURABLE.some(([name]) => name === table) ? { table, row } : undefined;
}
