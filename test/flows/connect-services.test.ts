import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, redeem, type TestClient, type Tokens } from '../support/flow.ts';
import { createServiceClient, exchange } from '../support/linked.ts';
import { type Page, Person } from '../support/person.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

const { code_verifier, ...challenge } = pkce();

for (const kind of ['oidc', 'oauth2'] as const)
  describe(`Connecting services at a provider (${kind})`, () => {
    let server: TestServer;
    let upstream: TestUpstream;
    let client: TestClient;

    before(async () => {
      [server, upstream] = await Promise.all([startTestServer(), startUpstream(kind)]);
      await addProvider(server, upstream, { services: ['notes.read', 'notes.write'] });
      client = await createServiceClient(server);
    });
    after(async () => {
      await server.close();
      await upstream.close();
    });
    beforeEach(() => {
      upstream.wishes = {};
      upstream.asked.length = 0;
    });

    let travellers = 0;
    /** Somebody who is somebody else there too. */
    async function newPerson() {
      upstream.person = { ...upstream.person, sub: `far-${kind}-${++travellers}` };
      return { credentials: await server.createPerson(), person: new Person(server.issuer) };
    }

    const path = (scope: string, more: Record<string, string> = {}) => authorizePath(client, { ...challenge, scope, ...more });

    /** Signs in and allows all that is asked. @returns where the browser stands then: at the provider, as a rule. */
    async function consent(someone: Awaited<ReturnType<typeof newPerson>>, scope: string): Promise<Page> {
      let page = await someone.person.open(path(scope));
      if (page.html.includes('name="password"')) page = await page.submit(someone.credentials);
      assert.match(page.html, /name="decision"/);
      return page.submit({ scope: page.optionalScopes, decision: 'approve' });
    }

    /** The browser at the provider, which answers at once, and back. */
    async function visit({ person, url }: Page): Promise<Page> {
      assert.equal(url.origin, upstream.issuer, `not at the provider but at ${url}`);
      const answer = await fetch(url, { redirect: 'manual' });
      return person.open(String(answer.headers.get('location')));
    }

    async function tokensFor({ url }: Page): Promise<Tokens> {
      assert.equal(url.origin, new URL(client.redirect_uri).origin, `not at the client but at ${url}`);
      const code = String(url.searchParams.get('code'));
      const response = await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri });
      assert.equal(response.status, 200);
      return response.json() as Promise<Tokens>;
    }

    const kept = async (accountId: string) => ({
      identities: await server.sql('select * from upstream_identity where account_id = $1', [accountId]),
      tokens: await server.sql(
        'select t.* from upstream_token t join upstream_identity i on i.id = t.identity_id where i.account_id = $1',
        [accountId],
      ),
      events: (await server.sql('select type from audit_event where account_id = $1 order by id', [accountId])).map(({ type }) => type),
    });

    it('sends the person there once after consent, keeps what it gave with the grant, and the app reaches the service', async () => {
      const someone = await newPerson();
      const there = await consent(someone, 'openid far:notes.read');
      assert.equal(there.url.searchParams.get('redirect_uri'), `${server.issuer}/upstream/far/callback`);
      assert.deepEqual(
        there.url.searchParams
          .get('scope')
          ?.split(' ')
          .filter((name) => name !== 'openid'),
        ['notes.read'],
      );
      const { access_token, scope } = await tokensFor(await visit(there));
      assert.equal(scope, 'openid far:notes.read');

      const { identities, tokens, events } = await kept(someone.credentials.id);
      assert.equal(identities[0]?.['subject'], upstream.person.sub);
      assert.equal(tokens.length, 1);
      const [grant] = await server.sql('select id from grant_record where account_id = $1', [someone.credentials.id]);
      assert.equal(tokens[0]?.['grant_id'], grant?.['id']);
      assert.deepEqual(events, ['signed_in', 'consent_given', 'service_connected', 'identity_linked']);
      assert.equal((await server.sql('select 1 from mail')).length > 0, true, 'they hear of the link');

      const answer = await exchange(server, client, access_token);
      assert.equal(answer.status, 200);
      const { access_token: theirs } = (await answer.json()) as Tokens;
      assert.equal((await fetch(`${upstream.issuer}/notes`, { headers: { authorization: `Bearer ${theirs}` } })).status, 200);
    });
  });
