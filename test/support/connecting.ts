import assert from 'node:assert/strict';
import { allowServices } from '../../src/oauth/clients/store.ts';
import type { TestServer } from './environment.ts';
import { eventually } from './eventually.ts';
import { authorizePath, type Credentials, pkce, redeem, type TestClient, type Tokens } from './flow.ts';
import { knownScopes } from './known-scopes.ts';
import { type Page, Person } from './person.ts';
import { leadsTo } from './refusals.ts';
import type { TestUpstream } from './upstream.ts';

/** The way from an authorization request over consent to a provider and back, step by step: for tests that go astray in the middle. */

const { code_verifier, ...challenge } = pkce();

export type Someone = { credentials: Credentials & { id: string }; person: Person };

let travellers = 0;

/** Somebody who is somebody else at each of the providers too. */
export async function newTraveller(server: TestServer, ...upstreams: TestUpstream[]): Promise<Someone> {
  travellers++;
  for (const upstream of upstreams) upstream.person = { ...upstream.person, sub: `traveller-${travellers}` };
  return { credentials: await server.createPerson(), person: new Person(server.issuer) };
}

/** An app asks for scopes. @returns the page that this comes to, the person signed in. */
export async function ask(
  { person, credentials }: Someone,
  client: TestClient,
  scope: string,
  more: Record<string, string> = {},
): Promise<Page> {
  const page = await person.open(authorizePath(client, { ...challenge, scope, ...more }));
  return page.html.includes('name="password"') ? page.submit(credentials) : page;
}

/** The person says yes to all. @returns where their browser stands then. */
export async function allow(page: Page, scopes: string[] = page.optionalScopes): Promise<Page> {
  assert.match(page.html, /name="decision" value="approve"/, `no consent page at ${page.url}`);
  return page.submit({ scope: scopes, decision: 'approve' });
}

/** Presses the button of a provider on the page that names it. */
export function goTo(page: Page, providerId: string): Promise<Page> {
  const href = new RegExp(`href="([^"]+provider=${providerId})"`).exec(page.html)?.[1];
  assert.ok(href, `no way to ${providerId} at ${page.url}: ${page.html}`);
  return page.person.open(href);
}

/** Lets the provider ask its person. @returns our callback's address with the answer. */
export async function answerOf({ url }: Page, upstream: TestUpstream): Promise<string> {
  assert.equal(url.origin, upstream.issuer, `not at the provider but at ${url}`);
  const response = await fetch(url, { redirect: 'manual' });
  return String(response.headers.get('location'));
}

/** There and back. */
export async function visit(page: Page, upstream: TestUpstream): Promise<Page> {
  return page.person.open(await answerOf(page, upstream));
}

/** What the app gets. */
export async function tokensFor(server: TestServer, client: TestClient, { url, html }: Page): Promise<Tokens> {
  assert.equal(url.origin, new URL(client.redirect_uri).origin, `not at the client but at ${url}: ${html}`);
  const code = String(url.searchParams.get('code'));
  const response = await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri });
  assert.equal(response.status, 200);
  return response.json() as Promise<Tokens>;
}

/** What is kept of a person's connections, and what was recorded of them since they signed in. */
export async function kept(server: TestServer, { credentials: { id } }: Someone) {
  const [identities, tokens, events] = await Promise.all([
    server.sql('select provider_id, subject from upstream_identity where account_id = $1 order by provider_id', [id]),
    server.sql(
      `select t.provider_id, t.scope, t.grant_id, g.client_id from upstream_token t join upstream_identity i on i.id = t.identity_id
       left join grant_record g on g.id = t.grant_id where i.account_id = $1 order by t.provider_id`,
      [id],
    ),
    server.sql("select type from audit_event where account_id = $1 and type <> 'signed_in' order by id", [id]),
  ]);
  return { identities, tokens, events: events.map(({ type }) => type) };
}

/** How often the provider was asked for leave. */
export const visitsTo = (upstream: TestUpstream): number => upstream.asked.filter(({ path }) => path === '/authorize').length;

/** Lets a client act for people at some providers and no others, and waits until the node has heard of it. */
export async function letReach(server: TestServer, client: TestClient, services: string[]): Promise<void> {
  await server.database.change(allowServices(client.client_id, { services, origins: [] }));
  const path = authorizePath(client, { ...challenge, scope: 'openid far:notes.read' });
  await eventually('the node knows what the client may do', async () => {
    const location = await leadsTo(await new Person(server.issuer).request(path));
    return location.includes('invalid_scope') !== services.includes('far');
  });
}

/** Disables a provider, or enables it again, and waits until the node has heard of it. */
export async function enable(server: TestServer, providerId: string, enabled: boolean): Promise<void> {
  await server.sql('update upstream_provider set disabled_at = case when $2 then null else now() end where id = $1', [providerId, enabled]);
  await eventually('the node knows which providers there are', async () => {
    const [{ service } = {}] = await server.sql('select name as service from upstream_service where provider_id = $1 limit 1', [
      providerId,
    ]);
    return (await knownScopes(server, [`${providerId}:${service}`])).length > 0 === enabled;
  });
}
