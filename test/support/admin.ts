import { createInitialAccessToken } from '../../src/features/registration/initial-access-tokens.ts';
import { ACR } from '../../src/oauth/session/strength.ts';
import { randomSecret } from '../../src/platform/secrets.ts';
import { openAccount, send } from './account.ts';
import type { TestServer } from './environment.ts';
import { type Credentials, obtainTokens } from './flow.ts';
import { type Page, Person } from './person.ts';

/** Administration, as operators at a browser reach it. */

export const ROLES = ['user', 'auditor', 'support', 'admin'] as const;

export type Operator = Credentials & { id: string; page: Page };

/** Somebody of a role who is signed in, at a page that has a form of theirs. */
export async function signInAs(server: TestServer, role: (typeof ROLES)[number]): Promise<Operator> {
  const account = await server.createPerson({ role });
  const page = await openAccount(server, account, '/account/profile');
  if (role !== 'user') await showTwoFactors(server, account.id);
  return { ...account, page };
}

/** Makes everything that a person is signed in at as strong as two factors make it: operators owe a second one. */
export async function showTwoFactors({ sql }: Pick<TestServer, 'sql'>, accountId: string): Promise<void> {
  const shown = JSON.stringify({ amr: ['pwd', 'otp', 'mfa'], acr: ACR.twoFactors });
  await sql('update session set payload = payload || $2::jsonb where account_id = $1', [accountId, shown]);
  await sql(`update token set payload = jsonb_set(payload, '{extra,acr}', $2::jsonb->'acr') where account_id = $1 and payload ? 'extra'`, [
    accountId,
    shown,
  ]);
}

/** A GET by who is signed in there, with no redirect followed. */
export async function look(operator: Operator, path: string): Promise<{ status: number; html: string; response: Response }> {
  const response = await operator.page.person.request(path);
  return { status: response.status, html: await response.text(), response };
}

/** Sends a form of theirs: to whatever address. */
export const act = (operator: Operator, path: string, fields: Record<string, string> = {}): Promise<Page> =>
  send(operator.page, path, fields);

/** One of everything that an act can be done to, with ids that addresses take as they are. */
export async function createSubjects(server: TestServer) {
  const client = await server.createClient();
  const [person, owner] = [await server.createPerson(), await server.createPerson()];
  await server.sql('insert into client_owner (client_id, account_id) values ($1, $2)', [client.client_id, owner.id]);
  const tokens = await obtainTokens(server, client, person, { scope: 'openid offline_access', prompt: 'consent' });
  const [grant] = await server.sql('select id from grant_record where account_id = $1', [person.id]);
  const [token] = await server.sql(
    "select substr(encode(id, 'hex'), 1, 16) as handle from token where account_id = $1 and kind = 'AccessToken'",
    [person.id],
  );
  const [session] = await server.sql('select uid from session where account_id = $1', [person.id]);
  const [secret] = await server.sql("select left(encode(digest, 'hex'), 16) as name from client_secret where client_id = $1", [
    client.client_id,
  ]);
  const made = createInitialAccessToken(randomSecret(), { name: 'Partner', maxClients: 2, lifeSeconds: 3_600, grantTypes: [], scopes: [] });
  const [initial] = await server.database.change<{ id: string }>(made);
  const identifier = `https://api.example/${randomSecret()}`;
  const [api] = await server.sql("insert into resource_server (identifier, name, owner_id) values ($1, 'Notes', $2) returning id", [
    identifier,
    person.id,
  ]);
  return {
    client,
    person,
    owner,
    tokens,
    session: String(session?.['uid']),
    secret: String(secret?.['name']),
    identifier,
    grant: String(grant?.['id']),
    handle: String(token?.['handle']),
    initial: String(initial?.id),
    api: String(api?.['id']),
  };
}

export type Subjects = Awaited<ReturnType<typeof createSubjects>>;

/** All that acts of operators may change, as one value: to see that nothing was. */
export async function stateOf(server: TestServer): Promise<unknown> {
  const [row] = await server.sql(`
    select (select jsonb_agg(to_jsonb(u) order by id) from user_account u) as people,
      (select jsonb_agg(to_jsonb(c) - 'seen_at' order by id) from client c) as clients,
      (select jsonb_agg(encode(id, 'hex') order by id) from token) as tokens,
      (select jsonb_agg(id order by id) from grant_record) as grants,
      (select jsonb_agg(identifier order by identifier) from resource_server) as apis,
      (select jsonb_agg(kid order by kid) from signing_key) as keys,
      (select jsonb_agg(id order by id) from initial_access_token) as initial,
      (select jsonb_agg(uid order by uid) from session) as sessions,
      (select jsonb_agg(jsonb_build_array(encode(digest, 'hex'), expires_at) order by digest) from client_secret) as secrets,
      (select jsonb_agg(to_jsonb(o) order by client_id, account_id) from client_owner o) as owners,
      (select count(*) from audit_event where type not in ('signed_in', 'consent_given')) as events`);
  return row;
}

export const visitor = (server: TestServer): Person => new Person(server.issuer);
