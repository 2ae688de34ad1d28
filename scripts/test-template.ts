import pg from 'pg';
import { migrate } from './migrate.ts';

/** Makes the database that every test file clones: migrated by the same code that migrates anyone's. */

const url = new URL(String(process.env['TEST_DATABASE_URL']));
const client = new pg.Client({ connectionString: url.href });
await client.connect();
// Created again each time: an old template may contain the result of a migration that has changed.
for (const { datname } of (
  await client.query("select datname from pg_database where datname like 'test\\_%' or datname = 'munjigi_template'")
).rows) {
  await client.query(`drop database ${client.escapeIdentifier(datname)} with (force)`);
}
await client.query('create database munjigi_template');
await client.end();
url.pathname = '/munjigi_template';
await migrate(url.href);
