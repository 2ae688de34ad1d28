import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, pkce, post } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { askToRegister } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

/** The consent page with a client that imitates another, and with tampered forms of a user. */
describe('The consent page, under attack', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const { code_verifier: _, ...challenge } = pkce();

  /** A new user at the consent page of a new client. */
  async function asked(metadata: Record<string, unknown> = {}, parameters: Record<string, string> = {}) {
    const [client, person] = await Promise.all([server.createClient(metadata), server.createPerson()]);
    const path = authorizePath(client, { ...challenge, ...parameters });
    const page = await (await new Person(server.issuer).open(path)).submit(person);
    assert.match(page.html, /name="decision"/);
    return { client, person, page, path };
  }

  const submission = (page: Page, fields: [string, string][]) => ({
    method: 'POST',
    body: new URLSearchParams([['csrf', String(page.form().hidden['csrf'])], ...fields]),
  });

  /** Asserts a readable page that states the problem. */
  function assertReadable(page: Page, status: number, text: RegExp): void {
    assert.equal(page.response.status, status);
    assert.match(page.html, text);
    assert.match(page.html, /<h1>/);
  }

  describe('a name', () => {
    const shown = (page: Page) => /<h1><bdi>(.*?)<\/bdi>/s.exec(page.html)?.[1];
    const names: Record<string, [string, string | undefined]> = {
      'in reversed direction': ['\u202eknaB ruoY\u202c', 'knaB ruoY'],
      'with isolates and marks': ['Your\u2066\u200f Bank\u2069', 'Your Bank'],
      'without visible characters': ['\u200b\u3164\ufeff', undefined],
      'of tabs and line breaks': ['Your\n\n\tBank\u0007', 'Your Bank'],
      'of markup': ['</bdi><script>alert(1)</script>', '&lt;/bdi&gt;&lt;script&gt;alert(1)&lt;/script&gt;'],
      'of a thousand characters': ['가'.repeat(1_000), `${'가'.repeat(99)}…`],
    };
    for (const [what, [name, visible]] of Object.entries(names))
      it(`${what} is shown as it is`, async () => {
        const { client, page } = await asked({ client_name: name });
        assert.equal(shown(page), visible ?? client.client_id);
        assert.doesNotMatch(page.html, /[\u202a-\u202e\u2066-\u2069\u200b\u200f\ufeff]/);
      });

    it('is refused at registration with any of these', async () => {
      for (const client_name of ['\u202eknaB', 'a\u0000b', 'a\u3164', 'x'.repeat(101)])
        await unchanged(server, async () =>
          assert.equal((await askToRegister(server, { client_name, redirect_uris: ['https://a.example/cb'] })).status, 400),
        );
    });
  });

  describe('an address', () => {
    const addresses: Record<string, [string, RegExp, RegExp?]> = {
      'in letters that look like others stays in punycode': [
        'https://xn--80ak6aa92e.com/cb',
        /<bdi class="address">xn--80ak6aa92e\.com<\/bdi>/,
        /[а-я]/i,
      ],
      'in mixed letters stays in punycode': [`https://${new URL('https://раypal.example').host}/cb`, /<bdi class="address">xn--/, /[а-я]/i],
      'in Hangul is readable, and exact beside it': [
        `https://${new URL('https://문지기.example:8443').host}/cb`,
        /<bdi>문지기\.example:8443<\/bdi> <bdi class="address small">xn--[a-z0-9]+\.example:8443<\/bdi>/,
      ],
      'with a user name is that of the host': [
        'https://bank.example@evil.example/cb',
        /<bdi class="address">evil\.example<\/bdi>/,
        /bank\.example/,
      ],
      'on this device is said in words': ['http://127.0.0.1/cb', /An app on this device <bdi class="address small">127\.0\.0\.1<\/bdi>/],
    };
    for (const [what, [redirect, shows, never]] of Object.entries(addresses))
      it(what, async () => {
        const { page } = await asked({ redirect_uris: [redirect], application_type: 'native' });
        const facts = String(/<dl class="facts">.*?<\/dl>/s.exec(page.html)?.[0]).replace(/\s+/g, ' ');
        assert.match(facts, shows);
        if (never) assert.doesNotMatch(facts, never);
      });
  });

  describe('a form', () => {
    it('of 5,000 scopes is refused, and the largest possible request asks only for existing scopes', async () => {
      const { client, person, page } = await asked({}, { scope: 'openid restricted' });
      const many = Array.from({ length: 5_000 }, (_, n) => `s${n}`);
      await unchanged(server, async () => {
        const fields = [['decision', 'approve'], ...many.map((name) => ['scope', name])] as [string, string][];
        assertReadable(await page.person.open(page.form().action, submission(page, fields)), 400, /is not valid/);
      });
      const pushed = await post(server, '/oauth/par', client, {
        ...challenge,
        client_id: client.client_id,
        redirect_uri: client.redirect_uri,
        response_type: 'code',
        scope: ['openid', ...many.slice(0, 2_000), 'restricted'].join(' '),
      });
      assert.equal(pushed.status, 201, await pushed.clone().text());
      const { request_uri } = (await pushed.json()) as { request_uri: string };
      const path = `/oauth/authorize?${new URLSearchParams({ client_id: client.client_id, request_uri })}`;
      const wide = await (await new Person(server.issuer).open(path)).submit(person);
      assert.deepEqual(wide.optionalScopes, ['restricted']);
    });

    it('cannot add a scope, decline a required one, or name another account or client', async () => {
      const { client, person, page } = await asked({ required_scope: 'openid profile' }, { scope: 'openid profile api' });
      const [stranger, other] = await Promise.all([server.createPerson(), server.createClient()]);
      const fields: [string, string][] = [
        ...['restricted', 'offline_access', 'posts:write', '', ' ', 'openid restricted'].map((name): [string, string] => ['scope', name]),
        ['accountId', stranger.id],
        ['client_id', other.client_id],
        ['redirect_uri', 'https://evil.example/'],
        ['decision', 'approve'],
      ];
      const { url } = await page.person.open(page.form().action, submission(page, fields));
      assert.equal(url.origin + url.pathname, client.redirect_uri);
      const grants = await server.sql('select client_id, account_id, payload from grant_record where account_id = any($1)', [
        [person.id, stranger.id],
      ]);
      assert.equal(grants.length, 1);
      const [{ payload, ...whose }] = grants as [{ payload: { openid: object; rejected: { openid: object } } }];
      assert.deepEqual(whose, { client_id: client.client_id, account_id: person.id });
      assert.deepEqual(payload.openid, { scope: 'openid profile' });
      assert.deepEqual(payload.rejected.openid, { scope: 'api' });
    });

    it('sent ten times at once is one decision, one grant, one event and one code', async () => {
      const { person, page } = await asked();
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => page.person.request(page.form().action, submission(page, [['decision', 'approve']]))),
      );
      assert(answers.every(({ status }) => status === 303));
      const resume = String(answers[0]?.headers.get('location'));
      const cookie = page.person.cookies().join('; ');
      await Promise.all(Array.from({ length: 10 }, () => fetch(resume, { redirect: 'manual', headers: { accept: 'text/html', cookie } })));
      for (const table of ['grant_record', 'authorization_code', `audit_event`])
        assert.equal(
          await countRows(server, `${table} where account_id = $1${table === 'audit_event' ? ` and type = 'consent_given'` : ''}`, [
            person.id,
          ]),
          1,
          table,
        );
    });

    it('in two tabs is two decisions: a denial in one does not undo what the other allowed', async () => {
      const { person, page, path } = await asked();
      const second = await page.person.open(path);
      assert((await page.submit({ decision: 'approve' })).url.searchParams.get('code'));
      assert.equal((await second.submit({ decision: 'deny' })).url.searchParams.get('error'), 'access_denied');
      assert.equal(await countRows(server, 'grant_record where account_id = $1', [person.id]), 1);
    });
  });

  describe('an end while the page is open', () => {
    const decide = (page: Page) => page.submit({ decision: 'approve' });
    const forget = (page: Page) => page.person.open(page.form().action.replace(/consent$/, 'another-account'), submission(page, []));

    it('of the interaction, by expiry: nothing is decided, and the page says why', async () => {
      const { page } = await asked();
      await server.sql(`update protocol_record set expires_at = now() - interval '1 second' where kind = 'Interaction'`);
      await unchanged(server, async () => {
        for (const attempt of [decide, forget, () => page.person.open(page.url.pathname)])
          assertReadable(await attempt(page), 400, /This page is no longer valid/);
      });
    });

    it('of the client, deleted or suspended: nothing is decided, and the page says so', async () => {
      for (const end of ['delete from client where id = $1', 'update client set suspended_at = now() where id = $1']) {
        const { client, page } = await asked();
        await server.sql(end, [client.client_id]);
        await eventually('the client is unknown', async () => (await page.person.open(page.url.pathname)).response.status === 400);
        await unchanged(server, async () => assertReadable(await decide(page), 400, /This app is not registered/));
        assert.equal(await countRows(server, 'grant_record where client_id = $1', [client.client_id]), 0);
      }
    });

    it('of the client, suspended and unknown to this node yet: the database decides', async () => {
      const { client, page } = await asked();
      await server.sql('alter table client disable trigger tell_client_changed');
      try {
        await server.sql('update client set suspended_at = now() where id = $1', [client.client_id]);
        assertReadable(await decide(page), 400, /This page is no longer valid/);
        for (const rows of ['grant_record where', 'authorization_code where', "audit_event where type = 'consent_given' and"])
          assert.equal(await countRows(server, `${rows} client_id = $1`, [client.client_id]), 0, rows);
      } finally {
        await server.sql('alter table client enable trigger tell_client_changed');
      }
    });

    it('of the account, disabled: nothing is allowed in its name', async () => {
      const { person, page } = await asked();
      await server.sql('update user_account set disabled_at = now() where id = $1', [person.id]);
      assertReadable(await page.person.open(page.url.pathname), 400, /no longer valid/);
      const after = await decide(page);
      assert.match(after.html, /name="password"/);
      assert.equal(await countRows(server, 'grant_record where account_id = $1', [person.id]), 0);
    });

    it('of the session, in another tab: the page decides nothing for the next user', async () => {
      const { page } = await asked();
      await (await page.person.open('/oauth/logout')).submit({ logout: 'yes' });
      await unchanged(server, async () => assertReadable(await decide(page), 400, /no longer valid/));
    });
  });
});
