import { createHash } from 'node:crypto';
import type pg from 'pg';

/** Rows as a server that was away for an hour finds them: expired and live ones on the same pages; and what tables have become. */

const LIVE_GRANTS = 100_000;
const CHUNK_ROWS = 100_000;

/** The value of the nth token. Odd ones live. */
export const tokenOf = (n: number) => String(n).padStart(43, 'L');

/** @param accountId whose they all are. Foreign keys are not checked meanwhile: they hold, and two million checks take a minute. */
export async function fill(client: pg.Client, accountId: string, expired: number, say: (sentence: string) => void): Promise<void> {
  await client.query('truncate grant_record, authorization_code, token, session, protocol_record cascade');
  await client.query('set session_replication_role = replica');
  await client.query(
    `insert into grant_record (id, client_id, account_id, expires_at, payload)
     select 'grant-' || lpad(n::text, 37, '0'), 'bench', $1, now() + interval '30 days', '{"openid": {"scope": "openid profile offline_access"}}'
     from generate_series(0, $2::int - 1) n`,
    [accountId, LIVE_GRANTS],
  );
  for (let from = 1; from <= expired * 2; from += CHUNK_ROWS) {
    await client.query(
      `insert into token (id, kind, client_id, account_id, grant_id, expires_at, payload)
       select sha256(lpad(n::text, 43, 'L')::bytea), 'AccessToken', 'bench', $1, 'grant-' || lpad((n % $4::int)::text, 37, '0'),
         now() + n * interval '1 ms' + case when n % 2 = 0 then interval '-1 day' else interval '1 day' end,
         '{"iat": 1763700000, "gty": "authorization_code", "scope": "openid profile offline_access", "claims": {}, "sessionUid": "V1StGXR8_Z5jdHi6B-myT"}'
       from generate_series($2::int, $3::int) n`,
      [accountId, from, Math.min(from + CHUNK_ROWS - 1, expired * 2), LIVE_GRANTS],
    );
    say(`filling: ${Math.min(from + CHUNK_ROWS - 1, expired * 2)} of ${expired * 2} rows`);
  }
  await client.query('set session_replication_role = origin');
  say('vacuum, analyze, checkpoint');
  await client.query('vacuum analyze');
  await client.query('checkpoint');
}

/**
 * Codes of people who have signed in and allowed, each under a grant of its own: what takes a person in life.
 * @returns codes, redeemable with the challenge given.
 */
export async function insertCodes(client: pg.Client, accountId: string, codes: string[], codeChallenge: string): Promise<void> {
  const payload = {
    scope: 'openid profile offline_access',
    redirectUri: 'https://client.example/cb',
    codeChallenge,
    codeChallengeMethod: 'S256',
    gty: 'authorization_code',
    authTime: Math.floor(Date.now() / 1000),
    iat: Math.floor(Date.now() / 1000),
  };
  await client.query(
    `with granted as (
       insert into grant_record (id, client_id, account_id, expires_at, payload)
       select 'g' || code, 'bench', $1, now() + interval '90 days', $4::jsonb from unnest($2::text[]) code returning 1)
     insert into authorization_code (id, client_id, account_id, grant_id, expires_at, payload)
     select decode(digest, 'hex'), 'bench', $1, 'g' || code, now() + interval '1 minute', $3::jsonb
     from unnest($2::text[], $5::text[]) as c (code, digest)`,
    [
      accountId,
      codes,
      JSON.stringify(payload),
      JSON.stringify({ openid: { scope: payload.scope } }),
      codes.map((code) => createHash('sha256').update(code).digest('hex')),
    ],
  );
}

export type Size = { name: string; bytes: number };

/** Tables and indexes of what is pruned, largest first. */
export async function sizes(client: pg.Client): Promise<Size[]> {
  const { rows } = await client.query<Size>(
    `select c.relname as name, pg_relation_size(c.oid)::float as bytes
     from pg_class c left join pg_index i on i.indexrelid = c.oid
     where coalesce(i.indrelid, c.oid) = any(array['token', 'authorization_code', 'grant_record', 'session', 'protocol_record']::regclass[])
     order by bytes desc, name`,
  );
  return rows;
}

/** Share of dead rows in a table, as the database counts them. */
export async function deadShare(client: pg.Client, table: string): Promise<number> {
  const { rows } = await client.query<{ live: number; dead: number }>(
    'select n_live_tup::float as live, n_dead_tup::float as dead from pg_stat_user_tables where relname = $1',
    [table],
  );
  const { live, dead } = rows[0] as { live: number; dead: number };
  return dead / Math.max(1, live + dead);
}
