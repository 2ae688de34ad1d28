import { migrate } from '../../scripts/migrate.ts';
import { saveClient } from '../../src/oauth/clients/store.ts';
import { ownResourceServers, saveResourceServers } from '../../src/oauth/scopes/resource-servers.ts';
import { createAccount } from '../../src/people/store.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';
import { ISSUER } from './operations.ts';
import { runSql } from './sql.ts';

/** Owns who takes part: one client, one API that introspects, one person; and a database for each kind that has one. */

export const CLIENT = {
  client_id: 'bench',
  client_secret: 'b'.repeat(43),
  redirect_uris: ['https://client.example/cb'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code'],
};
export const API = { client_id: 'bench-api', client_secret: 'a'.repeat(43), redirect_uris: [], grant_types: [], response_types: [] };
export const PERSON = { email: 'bench@people.example', username: 'bench', name: 'Bench', password: 'bench' };
export const SCOPE = 'openid profile offline_access';

export function basic({ client_id, client_secret }: { client_id: string; client_secret: string }): string {
  return `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`;
}

/** Drops the database and creates it again, from a template or empty. @returns its address. */
export async function freshDatabase(postgresUrl: string, name: string, template = 'template1'): Promise<string> {
  await runSql(postgresUrl, `drop database if exists ${name} with (force)`, `create database ${name} template ${template}`);
  const url = new URL(postgresUrl);
  url.pathname = `/${name}`;
  return url.href;
}

export const TEMPLATE = 'bench_template';

/** A database with our tables and who takes part, for others to be made from. @returns the person's id. */
export async function prepareTemplate(postgresUrl: string): Promise<string> {
  const url = await freshDatabase(postgresUrl, TEMPLATE);
  await migrate(url);
  const database = openDatabase(url, createLog('silent'));
  await saveResourceServers(database, ownResourceServers(ISSUER));
  await database.transaction(saveClient(CLIENT));
  await database.transaction(saveClient({ ...API, introspects: ISSUER }));
  const { id } = await createAccount(database, PERSON);
  await database.close();
  return id;
}
