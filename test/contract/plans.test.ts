import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { createDeviceCodeStore } from '../../src/features/device/device-codes.ts';
import { deleteClient, verifyClient } from '../../src/oauth/clients/store.ts';
import { endAccount, revokeGrant } from '../../src/oauth/store/grants.ts';
import { prune } from '../../src/oauth/store/prune.ts';
import { createTokenStore } from '../../src/oauth/store/tokens.ts';
import { openAccount, send } from '../support/account.ts';
import { approveDevice, beginDevice, createDeviceClient, poll } from '../support/device.ts';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import {
  approve,
  authorizePath,
  type Credentials,
  clientCredentials,
  obtainCode,
  obtainTokens,
  pkce,
  post,
  redeem,
  refresh,
} from '../support/flow.ts';
import type { Person } from '../support/person.ts';
import { manage, register } from '../support/registration.ts';
import { liveOnce } from '../support/whole-flow.ts';
import { createWire } from '../support/wire.ts';

const ROWS = 100_000;
const TABLES = [
  'client',
  'client_secret',
  'grant_record',
  'authorization_code',
  'token',
  'session',
  'protocol_record',
  'user_account',
  'audit_event',
  'upstream_identity',
  'upstream_token',
  'upstream_revocation',
];

/** Each statement of oauth/store and clients/store, by its beginning. The first test below checks that it was sent. */
const STATEMENTS: Record<string, RegExp> = {
  'find a token': /^select kind::text as kind.* from token t where id/,
  'find a code': /^select 'AuthorizationCode' as kind.* from authorization_code t where id/,
  'issue a token': /insert into token/,
  'issue a code': /insert into authorization_code/,
  'consume a refresh token': /update token set consumed_at/,
  'consume a code': /update authorization_code set consumed_at/,
  'end a token': /delete from token where id/,
  'end a sign-in': /^select end_sign_in/,
  'end a family': /^select end_family/,
  'keep the answer to a refresh': /insert into protocol_record .*'TokenResponse'/,
  'find the answer to a refresh': /from protocol_record r where kind = 'TokenResponse' and id/,
  'prolong a refresh token': /update token set expires_at/,
  'end the tokens of a grant': /delete from token where grant_id = \$\d+ and kind = \$/,
  'find a grant': /^select id, client_id, account_id, expires_at, payload from grant_record where id/,
  'find the newest grants of a person':
    /^select \(select id from grant_record where account_id = \$\d+ and client_id = \$\d+ and expires_at > now\(\) .* as live, \(select id .* as last$/,
  'count the grants of a client': /^select count\(\*\)::int from \(select from grant_record where client_id/,
  'keep answers in a grant': /insert into grant_record .* on conflict \(id\) do update set payload = \(grant_record\.payload/,
  'end the tokens beyond a grant': /delete from token where grant_id = \$\d+ and kind = 'AccessToken' and string_to_array/,
  'verify a client': /update client set publisher/,
  'end a grant': /delete from grant_record where id/,
  'end an account': /delete from session where account_id/,
  'find a session': /from session s where id/,
  'keep a session': /insert into session/,
  'end a session': /delete from session where uid =/,
  'find a record': /from protocol_record where kind/,
  'keep a record': /insert into protocol_record .* values \(\$\d+::record_kind/,
  'consume a record': /update protocol_record set consumed_at/,
  'end a record': /delete from protocol_record where kind = \$/,
  'find a device code': /from protocol_record where kind = 'DeviceCode' and id/,
  'find a device code by what a person types': /from protocol_record where kind = 'DeviceCode' and user_code/,
  'keep a device code': /insert into protocol_record .*'DeviceCode'/,
  'answer for a device': /update protocol_record set account_id/,
  'consume a device code': /update protocol_record set consumed_at = now\(\) where kind = 'DeviceCode'/,
  'end the device codes of a grant': /delete from protocol_record where kind = 'DeviceCode' and grant_id/,
  'remember once': /insert into protocol_record .*select 'ReplayDetection'/,
  'remember once what may be from before a restore': /select 'ReplayDetection'.* where not exists/,
  'find a client': /from client c where c\.id/,
  'keep a client': /insert into client \(/,
  'keep a secret': /insert into client_secret/,
  'end the secrets of a client': /delete from client_secret where client_id/,
  'end a client': /delete from client where id/,
  'prune records': /from protocol_record where \(select mine from turn\)/,
  'prune codes': /from authorization_code where \(select mine from turn\)/,
  'prune tokens': /from token where \(select mine from turn\)/,
  'prune sessions': /from session where \(select mine from turn\)/,
  'prune accounts': /from user_account where \(select mine from turn\)/,
  'prune events': /from audit_event where \(select mine from turn\)/,
  'list the sessions of a person': /from session where account_id = \$\d+ and expires_at/,
  'end the other sessions of a person': /delete from session where account_id = \$\d+ and uid <>/,
  'list the clients of a person': /from grant_record r where account_id/,
  'end the grants of a person to a client': /delete from grant_record where account_id = \$\d+ and client_id/,
  'list the events of a person': /from audit_event e/,
  'prune visits to providers': /from upstream_visit where \(select mine from turn\)/,
  'prune what providers were to hear of': /from upstream_revocation where \(select mine from turn\)/,
  'list the links of a person': /from "public"\."upstream_identity" where .*"account_id" = /i,
  'end a link of a person': /delete from upstream_identity where account_id/,
  'prune clients': /from client c where \(select mine from turn\)/,
  'prune grants': /from grant_record where \(select mine from turn\)/,
};

describe('The statements of the storage', () => {
  let server: TestServer;
  let wire: Awaited<ReturnType<typeof createWire>>;
  let client: pg.Client;
  let texts: string[];
  before(async () => {
    const database = await createDatabase();
    wire = await createWire(database.url);
    server = await startTestServer({ databaseUrl: wire.url }, database);
    await liveOnce(server);
    await goFurther(server);
    texts = [...new Set(wire.texts().map((text) => text.replace(/\s+/g, ' ').trim()))];
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await fill(client);
  });
  after(async () => {
    await client.end();
    await server.close();
    wire.close();
  });

  const plan = async (statement: string) =>
    (await client.query(`explain (generic_plan) ${statement}`)).rows.map((row) => String(row['QUERY PLAN'])).join('\n');
  const assertNoScan = (text: string, statement: string) => {
    for (const table of TABLES) assert.doesNotMatch(text, new RegExp(`Seq Scan on ${table}\\b`), `${statement}\n${text}`);
  };

  it('were all sent, so that their plans can be checked', () => {
    const unsent = Object.entries(STATEMENTS).filter(([, pattern]) => !texts.some((text) => pattern.test(text)));
    assert.deepEqual(
      unsent.map(([name]) => name),
      [],
    );
  });

  it('never scan a whole table', async () => {
    // Prisma quotes its tables. Its statements about other tables (resource servers, keys, posts) are small or not the protocol's.
    const asked = texts.filter(
      (text) => /^(with|select|insert|update|delete)\b/i.test(text) && TABLES.some((table) => new RegExp(`\\b${table}\\b`).test(text)),
    );
    assert(asked.length > Object.keys(STATEMENTS).length);
    for (const text of asked) assertNoScan(await plan(text), text);
  });

  it('never scan a whole table for a cascade', async () => {
    // Deleting an API or a provider deletes a large part of the rows, and there are few of both.
    const keys = await client.query(
      `select c.conrelid::regclass::text as child, a.attname as column from pg_constraint c
       join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
       where c.contype = 'f' and c.conrelid = any($1::regclass[]) and c.confrelid <> all(array['resource_server', 'upstream_provider']::regclass[])`,
      [TABLES],
    );
    assert(keys.rows.length >= 10);
    for (const { child, column } of keys.rows) {
      const statement = `delete from only ${child} where $1 = ${column}`;
      assertNoScan(await plan(statement), statement);
    }
  });

  it('never scan a whole table inside an SQL function', async () => {
    const { rows } = await client.query(`select prosrc from pg_proc where proname in ('end_sign_in', 'end_family')`);
    const inside = rows.flatMap(({ prosrc }) =>
      [...String(prosrc).matchAll(/^ *(?:with|delete)\s[^;]+/gm)].map(([text]) =>
        text.replaceAll('grant_of', '$1').replace(/(?:session|family)_of/g, '$2'),
      ),
    );
    assert.equal(inside.length, 5);
    for (const statement of inside) assertNoScan(await plan(statement), statement);
  });
});

/** Sends the statements that the main flow does not send. */
async function goFurther(server: TestServer): Promise<void> {
  const [client, person] = [await server.createClient(), await server.createPerson()];
  const tokens = await obtainTokens(server, client, person);
  await clientCredentials(server, client, 'api');
  const code = await obtainCode(server, client, person, {}, tokens.person);
  assert.equal((await redeem(server, client, code)).status, 200);
  assert.equal((await redeem(server, client, { ...code, code_verifier: 'x'.repeat(43) })).status, 400, 'a replay, which ends the family');
  const next = await obtainTokens(server, client, person);
  for (let time = 0; time < 2; time++) assert.equal((await refresh(server, client, String(next.refresh_token))).status, 200);
  const lasting = await server.createClient({ refresh_token_rotation: false });
  const { refresh_token } = await obtainTokens(server, lasting, person);
  assert.equal((await refresh(server, lasting, String(refresh_token))).status, 200);
  const own = await clientCredentials(server, client, 'api');
  for (const token of [String(next.refresh_token), own.access_token])
    assert.equal((await post(server, '/oauth/revoke', client, { token })).status, 200);
  const { code_verifier: _, ...challenge } = pkce();
  const pushed = (await (
    await post(server, '/oauth/par', client, {
      client_id: client.client_id,
      redirect_uri: client.redirect_uri,
      response_type: 'code',
      scope: 'openid',
      ...challenge,
    })
  ).json()) as { request_uri: string };
  await approve(
    server,
    tokens.person,
    person,
    `/oauth/authorize?${new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri })}`,
  );
  await approve(server, tokens.person, person, authorizePath(client, { ...challenge, prompt: 'login' }));
  const more = authorizePath(client, { ...challenge, scope: 'openid profile restricted', prompt: 'consent' });
  for (const optional of [['restricted'], []]) await approve(server, tokens.person, person, more, optional);
  await useAccount(server, person, tokens.person, client.client_id);
  await server.createClient({ token_endpoint_auth_method: 'none' });
  const device = await createDeviceClient(server);
  const { device_code, user_code } = await beginDevice(server, device);
  await approveDevice(server, user_code, person);
  assert.equal((await poll(server, device, device_code)).status, 200);
  const registered = await register(server);
  assert.equal((await manage(server, registered, 'DELETE')).status, 204);
  // Through the same wire as the server's statements. The library may end a grant table by table, but no current request does.
  await createTokenStore(server.database, 'AccessToken').revokeByGrantId?.('nobody');
  await createDeviceCodeStore(server.database, () => ['key']).revokeByGrantId?.('nobody');
  for (const statement of [revokeGrant('nobody'), endAccount('nobody'), deleteClient('nobody'), verifyClient('nobody', 'Moon')])
    await server.database.query(statement);
  await server.sql('update token set expires_at = now()');
  await prune(server.database);
}

/** Views and ends what belongs to the user. */
async function useAccount(server: TestServer, credentials: Credentials, browser: Person, clientId: string): Promise<void> {
  await openAccount(server, credentials, '/account/activity', browser);
  await send(await openAccount(server, credentials, '/account/apps', browser), '/account/apps', { client: clientId });
  await server.sql(`insert into upstream_provider (id, name, settings) values ('far', 'Far', $1)`, [
    { issuer: 'https://far.example', clientId: 'munjigi' },
  ]);
  const [account] = await server.sql('select id from user_account where email = $1', [credentials.email]);
  await server.sql(`insert into upstream_identity (id, provider_id, subject, account_id, details) values ('link', 'far', 'me', $1, '{}')`, [
    account?.['id'],
  ]);
  await send(await openAccount(server, credentials, '/account/links', browser), '/account/links', { unlink: 'far' });
  await send(await openAccount(server, credentials, '/account/sessions', browser), '/account/sessions', { others: 'yes' });
}

/** Fills tables until a scan would be slow, with statistics. */
async function fill(client: pg.Client): Promise<void> {
  await client.query('set session_replication_role = replica');
  const of = `generate_series(1, ${ROWS}) n`;
  const life = `now() + (n - ${ROWS / 10}) * interval '1 second'`;
  for (const insert of [
    `user_account (id, email, username, name, password_hash) select 'p' || n, 'p' || n, 'p' || n, 'n', 'x' from ${of}`,
    `client (id, metadata) select 'c' || n, '{}' from ${of}`,
    `client_secret (digest, client_id) select sha256(n::text::bytea), 'c' || n from ${of}`,
    `grant_record (id, client_id, account_id, expires_at, payload) select 'g' || n, 'c' || n, 'p' || n, ${life}, '{}' from ${of}`,
    `authorization_code (id, client_id, account_id, grant_id, expires_at, payload) select sha256(n::text::bytea), 'c' || n, 'p' || n, 'g' || n, ${life}, '{}' from ${of}`,
    `token (id, kind, client_id, account_id, grant_id, expires_at, payload) select sha256(n::text::bytea), 'AccessToken', 'c' || n, 'p' || n, 'g' || n, ${life}, '{}' from ${of}`,
    `audit_event (id, at, type, account_id, detail) select 'e' || n, ${life}, 'signed_in', 'p' || n, '{}' from ${of}`,
    `upstream_identity (id, provider_id, subject, account_id, details) select 'i' || n, 'far', 's' || n, 'p' || n, '{}' from ${of}`,
    `upstream_token (id, provider_id, identity_id, grant_id, scope, access_token) select 'i' || n || ' g' || n, 'far', 'i' || n, 'g' || n, '', '' from ${of}`,
    `upstream_revocation (id, provider_id, access_token, due_at, expires_at) select 'i' || n, 'far', '', ${life}, ${life} from ${of}`,
    `session (id, uid, account_id, expires_at, payload) select sha256(n::text::bytea), 'u' || n, 'p' || n, ${life}, '{}' from ${of}`,
    `protocol_record (kind, id, client_id, expires_at, payload) select 'Interaction', sha256(n::text::bytea), 'c' || n, ${life}, '{}' from ${of}`,
  ])
    await client.query(`insert into ${insert}`);
  await client.query('set session_replication_role = origin');
  await client.query('analyze');
}
