import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { decodeJwt } from 'jose';
import { auditEvent } from '../src/audit/events.ts';
import { deleteClient } from '../src/features/admin/acts/clients.ts';
import { findSoftwareIssuer } from '../src/features/registration/software-issuers.ts';
import { FAPI_PROFILE } from '../src/oauth/clients/client-profile.ts';
import { listOwners } from '../src/oauth/clients/co-owners.ts';
import { OWN_CLIENTS } from '../src/oauth/clients/first-party.ts';
import { findClientRecord } from '../src/oauth/clients/inspection.ts';
import { isLoopback } from '../src/oauth/clients/redirect-uri.ts';
import { type ClientMetadata, saveClient } from '../src/oauth/clients/store.ts';
import { readAdminScopes } from '../src/oauth/scopes/admin-scopes.ts';
import { listResourceServers } from '../src/oauth/scopes/resource-servers.ts';
import { countPeople } from '../src/oauth/store/grants.ts';
import { readConfig } from '../src/platform/config.ts';
import type { Database } from '../src/platform/database.ts';
import { randomSecret } from '../src/platform/secrets.ts';
import type { Asked, Values } from './client-options.ts';
import {
  confirmed,
  moment,
  OPERATOR,
  ownClientStays,
  performAsOperator,
  quoted,
  resultOf,
  table,
  UsageError,
  withDatabase,
} from './command.ts';

/** Owns the coming, the showing and the going of one client, at an operator's word. */

const SECRETLESS = ['none', 'private_key_jwt'];

export async function create(values: Values): Promise<number> {
  const metadata = metadataFrom(values);
  const config = readConfig();
  return withDatabase(async (database) => {
    await assertIntrospectable(database, metadata);
    const { introspects, ...said } = metadata;
    // Loaded here: it brings the library along, which takes the other commands as long to load as all the rest.
    const { FEATURES } = await import('../src/features.ts');
    const { judgeClient } = await import('../src/oauth/clients/operator-client.ts');
    const judged = await judgeClient({ config, database, features: FEATURES }, said as ClientMetadata);
    const told = auditEvent(OPERATOR, { type: 'client_made', clientId: metadata.client_id });
    await database.transaction([...saveClient({ ...judged, introspects } as ClientMetadata), told]);
    const secret = metadata.client_secret;
    console.log(`client_id      ${metadata.client_id}${secret ? `\nclient_secret  ${secret}\n\nThe secret is shown once.` : ''}`);
    for (const note of notesOn(said, judged)) console.error(`\n${note}`);
    return 0;
  });
}

/** Warnings for the operator who made a client: addresses that are not safe everywhere, and members that the server left out. */
function notesOn(said: Record<string, unknown>, judged: ClientMetadata): string[] {
  const plain = listOf(judged['redirect_uris']).filter((uri) => /^http:/i.test(uri) && !isLoopback(uri));
  const lost = listOf(said['grant_types']).filter((grant) => !listOf(judged['grant_types']).includes(grant));
  return [
    ...plain.map(
      (uri) => `Warning: ${uri} is not encrypted. Anyone on that network can read the answer on its way: use https where you can.`,
    ),
    ...lost.map((grant) => `Left out: this server has no grant ${quoted(grant)}, or gives it in another way.`),
  ];
}

const listOf = (list: unknown): string[] => (Array.isArray(list) ? list.map(String) : []);

/** What the options say, in the words of RFC 7591. @throws UsageError for what no client could be. */
function metadataFrom(values: Values): ClientMetadata {
  const [uris, method] = [values['redirect-uri'] ?? [], values.auth ?? 'client_secret_basic'];
  const grants = values['grant-type'] ?? (uris.length ? ['authorization_code'] : []);
  if (!values.name?.trim()) throw new UsageError('create needs --name');
  if (!uris.length && !grants.length && !values.introspects)
    throw new UsageError('say what the client is for: --redirect-uri, or another --grant-type, or --introspects');
  if (values.introspects && method === 'none')
    throw new UsageError('a client that introspects must authenticate: choose another --auth than none');
  return {
    client_id: randomUUID(),
    client_name: values.name.trim(),
    redirect_uris: uris,
    grant_types: grants,
    response_types: grants.includes('authorization_code') ? ['code'] : [],
    token_endpoint_auth_method: method,
    ...(values.fapi ? { fapi_profile: FAPI_PROFILE } : undefined),
    ...(values.native ? { application_type: 'native' } : undefined),
    ...(values['refresh-grace'] === undefined ? undefined : { refresh_token_grace: Number(values['refresh-grace'] || Number.NaN) }),
    ...(values['no-refresh-rotation'] ? { refresh_token_rotation: false } : undefined),
    ...(values['require-pkce'] ? { require_pkce: true } : undefined),
    ...(values['jwks-file'] ? { jwks: readJson(values['jwks-file']) } : undefined),
    ...(values['jwks-uri'] ? { jwks_uri: values['jwks-uri'] } : undefined),
    ...(values.introspects ? { introspects: values.introspects } : undefined),
    ...(SECRETLESS.includes(method) ? undefined : { client_secret: randomSecret() }),
  };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch {
    throw new Error(`--jwks-file: ${file} cannot be read, or is not JSON`);
  }
}

async function assertIntrospectable(database: Database, { introspects }: ClientMetadata): Promise<void> {
  if (!introspects) return;
  const known = (await listResourceServers(database)).map(({ identifier }) => identifier);
  if (!known.includes(introspects))
    throw new Error(`there is no resource server ${quoted(introspects)}: there is ${known.join(', ') || 'none'}`);
}

export async function show(database: Database, clientId: string): Promise<number> {
  const client = await findClientRecord(database, clientId);
  if (!client) return unknown(clientId);
  const { metadata, secrets } = client;
  const live = secrets.map(
    ({ made, expires }) => `made ${moment(new Date(made))}, ${expires ? `ends ${moment(new Date(expires))}` : 'does not end'}`,
  );
  const owners = (await listOwners(database, clientId)).map(({ email, since }) => `${email}, since ${moment(since)}`);
  const rows: [string, string][] = [
    ['client_id', clientId],
    ['registered by', client.registration],
    ['with the token', client.registered_with ?? '-'],
    ['vouched for by', await voucher(database, metadata['software_statement'])],
    ['since', moment(client.created_at)],
    ['changed', moment(client.updated_at)],
    ['suspended', moment(client.suspended_at)],
    ['publisher', client.publisher ? `${quoted(client.publisher)}, verified ${moment(client.verified_at)}` : '-'],
    ['introspects', client.introspects ?? '-'],
    ['acts at', client.services.join() || '-'],
    ['from pages at', client.origins.join() || '-'],
    ['admin scopes', (await readAdminScopes(database, clientId))?.join() || '-'],
    ...(owners.length ? owners : ['-']).map((text, n): [string, string] => [n ? '' : 'owners', text]),
    ['people', String(await countPeople(database, clientId))],
    ...(live.length ? live : ['-']).map((text, n): [string, string] => [n ? '' : 'secrets', text]),
    ...Object.entries(metadata)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([member, value]): [string, string] => [quoted(member).slice(1, -1), quoted(value)]),
  ];
  console.log(table(rows));
  return 0;
}

/** Whose software statement a client came with. It is that issuer's word for what the statement says, and nobody's finding: see `publisher`. */
async function voucher(database: Database, statement: unknown): Promise<string> {
  if (typeof statement !== 'string') return '-';
  const { iss } = decodeJwt(statement);
  const issuer = await findSoftwareIssuer(database, String(iss));
  return issuer ? `${quoted(issuer.name)}, ${issuer.issuer}` : `${quoted(iss)}, who is not trusted any more`;
}

export async function remove({ clientId, yes }: Asked): Promise<number> {
  if (OWN_CLIENTS.includes(clientId)) throw new Error(ownClientStays(clientId));
  return withDatabase(async (database) => {
    const client = await findClientRecord(database, clientId);
    if (!client) return unknown(clientId);
    const asked = await countPeople(database, clientId);
    const lost = asked === 1 ? '1 person loses' : `${asked} people lose`;
    const name = quoted(client.metadata['client_name'] ?? '');
    if (!(await confirmed(`Delete ${clientId}, ${name}? With it ${lost} access, for good.`, yes))) return 1;
    const deleted = resultOf(await performAsOperator(database, deleteClient, { target: clientId }), clientId);
    if (!deleted) return unknown(clientId);
    const { people } = deleted;
    console.log(`${clientId} is deleted, and ${people === 1 ? '1 person has' : `${people} people have`} lost access with it`);
    return 0;
  });
}

function unknown(clientId: string): number {
  console.log(`there is no client ${clientId}`);
  return 1;
}
