import { createHash } from 'node:crypto';
import pg from 'pg';

/**
 * Owns the large tables: the wanted number of live tokens, with grants, users and clients in realistic proportion.
 * A grant has four tokens: an access token and a refresh token on each of two devices. A user has two grants.
 * There are a thousand clients. One token in fifty is a client's own.
 * Ids are digests, so they fall all over the index, as real ones do.
 */

const CLIENTS = 1_000;
const TOKENS_A_GRANT = 4;
const GRANTS_A_PERSON = 2;
const BATCH = 250_000;

type Table = { name: string; rows(tokens: number): number; insert: string };

const url64 = (text: string) => `rtrim(translate(encode(sha256((${text})::bytea), 'base64'), '+/', '-_'), '=')`;
const person = (n: string) => `md5('person ' || (${n}))::uuid::text`;
const grant = (n: string) => url64(`'grant ' || (${n})`);
const client = (n: string) => `'client-' || ((${n}) % ${CLIENTS})`;

const grants = (tokens: number) => Math.ceil(tokens / TOKENS_A_GRANT);
const people = (tokens: number) => Math.ceil(grants(tokens) / GRANTS_A_PERSON);

// $1 and $2 are the first and the last number of a batch.
const NUMBERS = 'generate_series($1::bigint, $2::bigint) n';

// What a token is called: 43 characters, as the real ones are. Its row has the digest of that.
const token = (n: string) => url64(`'token ' || (${n})`);

const OURS: Table[] = [
  {
    name: 'client',
    rows: () => CLIENTS,
    insert: `insert into client (id, metadata)
      select ${client('n')}, '{"redirect_uris":["https://client.example/cb"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"]}' from ${NUMBERS}`,
  },
  {
    name: 'client_secret',
    rows: () => CLIENTS,
    insert: `insert into client_secret (digest, client_id) select sha256(('secret ' || n)::bytea), ${client('n')} from ${NUMBERS}`,
  },
  {
    name: 'user_account',
    rows: people,
    insert: `insert into user_account (id, email, username, name, password_hash)
      select ${person('n')}, 'person' || n || '@people.example', 'person' || n, 'Person ' || n, repeat('x', 97) from ${NUMBERS}`,
  },
  {
    name: 'grant_record',
    rows: grants,
    insert: `insert into grant_record (id, client_id, account_id, expires_at, payload)
      select ${grant('n')}, ${client('n')}, ${person(`n / ${GRANTS_A_PERSON}`)}, now() + interval '90 days' * random(),
        jsonb_build_object('iat', 1760000000, 'openid', jsonb_build_object('scope', 'openid profile offline_access')) from ${NUMBERS}`,
  },
  {
    name: 'token',
    rows: (tokens) => tokens,
    insert: `insert into token (id, kind, client_id, account_id, grant_id, expires_at, payload)
      select sha256(${token('n')}::bytea),
        (case when own then 'ClientCredentials' when n % 2 = 0 then 'AccessToken' else 'RefreshToken' end)::token_kind,
        ${client(`n / ${TOKENS_A_GRANT}`)},
        case when not own then ${person(`n / ${TOKENS_A_GRANT * GRANTS_A_PERSON}`)} end,
        case when not own then ${grant(`n / ${TOKENS_A_GRANT}`)} end,
        now() + interval '1 day' + interval '13 days' * random(),
        jsonb_build_object('iat', 1760000000, 'gty', 'authorization_code', 'scope', 'openid profile offline_access',
          'authTime', 1760000000, 'extra', '{}'::jsonb, 'sessionUid', substr(md5(n::text), 1, 21))
      from (select n, n % 50 = 0 as own from ${NUMBERS})`,
  },
];

const ROW_A_MODEL: Table[] = [
  {
    name: 'protocol_record',
    rows: (tokens) => tokens + grants(tokens),
    insert: `insert into protocol_record (kind, id, expires_at, payload)
      select 'Interaction', sha256(('AccessToken:' || ${token('n')})::bytea), now() + interval '1 day' + interval '13 days' * random(),
        jsonb_build_object('iat', 1760000000, 'exp', 1770000000, 'accountId', ${person(`n / ${TOKENS_A_GRANT * GRANTS_A_PERSON}`)},
          'kind', 'AccessToken', 'jti', ${token('n')}, 'clientId', ${client(`n / ${TOKENS_A_GRANT}`)},
          'grantId', ${grant(`n / ${TOKENS_A_GRANT}`)}, 'gty', 'authorization_code', 'scope', 'openid profile offline_access')
      from ${NUMBERS}`,
  },
];

const OAUTH2_SERVER: Table[] = [
  {
    name: 'oauth_client',
    rows: () => CLIENTS,
    insert: `insert into oauth_client select ${client('n')}, sha256(('secret ' || n)::bytea), '{authorization_code,refresh_token}', '{https://client.example/cb}' from ${NUMBERS}`,
  },
  {
    name: 'oauth_user',
    rows: people,
    insert: `insert into oauth_user select ${person('n')}, 'person' || n, 'Person ' || n from ${NUMBERS}`,
  },
  {
    // A row has an access and a refresh token.
    name: 'oauth_token',
    rows: (tokens) => Math.ceil(tokens / 2),
    insert: `insert into oauth_token
      select sha256(${token('n')}::bytea), now() + interval '1 day' + interval '1 hour' * random(), sha256(('refresh ' || n)::bytea),
        now() + interval '14 days', ${client(`n / ${TOKENS_A_GRANT / 2}`)}, ${person(`n / ${TOKENS_A_GRANT}`)}, 'openid profile offline_access'
      from ${NUMBERS}`,
  },
];

/** How many of the stored tokens are asked for in turn: more than any cache of pages keeps by chance. */
const ASKED_FOR = 50_000;

/** Live access tokens of people, from all over a table that was filled; none for a kind whose tokens do not stand by themselves. */
export function storedTokens(kind: string, tokens: number): string[] {
  if (kind !== 'ours' && kind !== 'oauth2-server') return [];
  const rows = kind === 'ours' ? tokens : Math.ceil(tokens / 2);
  return Array.from({ length: ASKED_FOR }, () => 2 * Math.floor((Math.random() * rows) / 2))
    .filter((n) => n % 50 !== 0)
    .map((n) => createHash('sha256').update(`token ${n}`).digest('base64url'));
}

const TABLES: Record<string, Table[]> = { ours: OURS, prisma: ROW_A_MODEL, 'oauth2-server': OAUTH2_SERVER };

export type TableSize = { table: string; rows: number; tableBytes: number; indexBytes: number };

/** Fills the tables of a kind. @returns what they take; nothing for a kind that has none, or none that we know how to fill. */
export async function fill(kind: string, url: string, tokens: number, progress: (what: string) => void): Promise<TableSize[]> {
  const tables = TABLES[kind];
  if (!tables) return [];
  const database = new pg.Client({ connectionString: url });
  await database.connect();
  try {
    // What refers to what is right by construction: asking for each row would take longer than the rows.
    await database.query('set session_replication_role = replica');
    for (const table of tables) await fillTable(database, table, table.rows(tokens), (rows) => progress(`${kind}: ${table.name} ${rows}`));
    progress(`${kind}: vacuum, analyze`);
    await database.query('vacuum (analyze)');
    await database.query('checkpoint');
    return await sizes(
      database,
      tables.map(({ name }) => name),
    );
  } finally {
    await database.end();
  }
}

/** Secondary indexes are made again afterwards: sorted at once they take a fraction of the time. */
async function fillTable(database: pg.Client, { name, insert }: Table, rows: number, progress: (rows: string) => void): Promise<void> {
  const { rows: indexes } = await database.query(
    `select indexrelid::regclass as name, pg_get_indexdef(indexrelid) as definition from pg_index
     where indrelid = $1::regclass and not indisprimary and not exists (select from pg_constraint where conindid = indexrelid)`,
    [name],
  );
  for (const index of indexes) await database.query(`drop index ${index.name}`);
  for (let first = 0; first < rows; first += BATCH) {
    const last = Math.min(first + BATCH, rows);
    await database.query(insert, [first, last - 1]);
    progress(`${last.toLocaleString('en')} of ${rows.toLocaleString('en')}`);
  }
  for (const index of indexes) {
    progress(`index ${index.name}`);
    await database.query(index.definition);
  }
}

async function sizes(database: pg.Client, tables: string[]): Promise<TableSize[]> {
  const { rows } = await database.query(
    `select c.relname as table, c.reltuples::float8 as rows, pg_table_size(c.oid)::float8 as "tableBytes", pg_indexes_size(c.oid)::float8 as "indexBytes"
     from pg_class c where c.relname = any($1) order by pg_total_relation_size(c.oid) desc`,
    [tables],
  );
  return rows;
}
