import assert from 'node:assert/strict';
import { Secret, TOTP } from 'otpauth';
import { Authenticator } from './authenticator.ts';
import type { TestServer } from './environment.ts';
import type { Credentials } from './flow.ts';
import { type Page, Person } from './person.ts';

/** Second factors of a test's person, set up the way a person does it: on our pages. */

/** The code that an app shows, `steps` of thirty seconds from now. */
export function totpCode(secret: string, steps = 0): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 });
}

/** Opens a page of the account, signing in on the way. */
export async function openAccount(person: Person, path: string, credentials: Credentials): Promise<Page> {
  const page = await person.open(path);
  return page.html.includes('name="password"') ? page.submit({ email: credentials.email, password: credentials.password }) : page;
}

/**
 * Has every session of a user count as one in which the account's mail was read a moment ago: for tests that are not about that proof, which
 * test/people/mailbox-proof.test.ts gives on its page.
 */
export async function proveMailbox({ sql }: { sql: TestServer['sql'] }, { email }: Pick<Credentials, 'email'>): Promise<void> {
  await sql(
    `update session set payload = payload || jsonb_build_object('mailTs', extract(epoch from now())::int)
     where account_id = (select id from user_account where email = $1)`,
    [email],
  );
}

/** The same for each session of a server, whenever it begins. */
export async function proveEveryMailbox({ sql }: { sql: TestServer['sql'] }): Promise<void> {
  await sql(`create function prove_mailbox() returns trigger language plpgsql as $$
    begin
      new.payload := new.payload || jsonb_build_object('mailTs', extract(epoch from now())::int);
      return new;
    end $$`);
  await sql('create trigger prove_mailbox before insert or update on session for each row execute function prove_mailbox()');
}

/** Opens a page on which a way into the account is added: the user signs in on the way, and has read the account's mail. */
export async function openToAdd(server: TestServer, person: Person, path: string, credentials: Credentials): Promise<Page> {
  await openAccount(person, '/account', credentials);
  await proveMailbox(server, credentials);
  return person.open(path);
}

/** Sets up an authenticator app. @returns its secret, and the browser, whose session has shown it. */
export async function addTotp(server: TestServer, credentials: Credentials, person = new Person(server.issuer)) {
  const page = await openToAdd(server, person, '/account/factors/totp', credentials);
  const secret = secretOf(page);
  const added = await page.submit({ code: totpCode(secret) });
  assert.equal(added.url.search, '?done=totp_added', added.html);
  return { secret, person };
}

/** The secret as the page has it in letters. */
export function secretOf(page: Page): string {
  const secret = /<code class="secret">([A-Z2-7 ]+)<\/code>/.exec(page.html)?.[1];
  assert(secret, `no secret at ${page.url}: ${page.html.slice(0, 500)}`);
  return secret.replaceAll(' ', '');
}

/** Makes a passkey with a software authenticator. */
export async function addPasskey(server: TestServer, credentials: Credentials, person = new Person(server.issuer)) {
  const authenticator = new Authenticator(server.issuer);
  const page = await openToAdd(server, person, '/account/factors/passkey', credentials);
  const added = await page.submit({
    credential: await authenticator.create(await options(person, '/account/factors/passkey/options')),
    name: 'Key',
  });
  assert.equal(added.url.search, '?done=passkey_added', added.html);
  return { authenticator, person };
}

/** Makes recovery codes. */
export async function makeRecoveryCodes(person: Person): Promise<string[]> {
  const page = await (await person.open('/account/factors/recovery-codes')).submit({});
  const codes = [...page.html.matchAll(/<li><code>([a-z0-9-]+)<\/code><\/li>/g)].map(([, code]) => String(code));
  assert.equal(codes.length, 10, page.html);
  return codes;
}

/** What the page's script is given for the authenticator. */
export async function options(person: Person, path: string) {
  const response = await person.request(path, { headers: { accept: 'application/json', 'sec-fetch-site': 'same-origin' } });
  assert.equal(response.status, 200);
  return (await response.json()) as {
    challenge: string;
    user?: { id: string };
    allowCredentials?: { id: string }[];
    [name: string]: unknown;
  };
}

/** Lets the app's secret be used again in the same thirty seconds: for tests that are not about that. */
export async function forgetSteps(server: { sql: TestServer['sql'] }, accountId: string): Promise<void> {
  await server.sql('update totp_factor set last_step = 0 where account_id = $1', [accountId]);
}

/** Makes what a browser has signed in older than it is. */
export async function ageSessions(server: { sql: TestServer['sql'] }, accountId: string, seconds: number): Promise<void> {
  await server.sql(
    `update session set payload = jsonb_set(payload, '{loginTs}', to_jsonb((payload->>'loginTs')::int - $2::int)) where account_id = $1`,
    [accountId, seconds],
  );
}
