import pg from 'pg';
import { saveClient } from '../../src/oauth/clients/store.ts';
import { createAccount, type NewAccount } from '../../src/people/store.ts';
import { readDatabaseUrl } from '../../src/platform/config.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';

/**
 * What no command of an operator's does: two databases on one PostgreSQL, and at Haru, which is somebody else's server, a person and the
 * client that Munjigi is there.
 *
 *     node set-up.ts databases [--anew]      DATABASE_URL: any of the PostgreSQL
 *     node set-up.ts haru                    DATABASE_URL: Haru's   HARU_PERSON, HARU_CLIENT: as JSON
 */

const [what, anew] = process.argv.slice(2);

try {
  if (what === 'databases') await databases(anew === '--anew');
  else await atHaru(JSON.parse(String(process.env['HARU_PERSON'])), JSON.parse(String(process.env['HARU_CLIENT'])));
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}

async function databases(anew: boolean): Promise<void> {
  const client = new pg.Client({ connectionString: readDatabaseUrl() });
  await client.connect();
  for (const name of ['munjigi', 'haru']) {
    if (anew) await client.query(`drop database if exists ${name} with (force)`);
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (!rowCount) await client.query(`create database ${name}`);
  }
  await client.end();
}

/** @param at whose client it is to be: its public key is at an address of its own. */
async function atHaru(person: NewAccount, at: { issuer: string; provider: string }): Promise<void> {
  const jwks = await (await fetch(`${at.issuer}/upstream/${at.provider}/jwks`)).json();
  const database = openDatabase(readDatabaseUrl(), createLog('silent'));
  await createAccount(database, { ...person, emailVerified: true });
  await database.transaction(
    saveClient({
      client_id: 'munjigi',
      client_name: 'Munjigi',
      client_uri: `${at.issuer}/`,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks,
      redirect_uris: [`${at.issuer}/upstream/${at.provider}/callback`],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    }),
  );
  await database.close();
}
