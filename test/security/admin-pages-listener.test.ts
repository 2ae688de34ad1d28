import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { ageSignIns } from '../support/account.ts';
import { stateOf } from '../support/admin.ts';
import { type AdminServer, enterApart, startApart, TwoOrigins } from '../support/admin-apart.ts';
import { call, createMachine, machineToken } from '../support/admin-api.ts';
import { startTestServer } from '../support/environment.ts';
import { addTotp, forgetSteps, totpCode } from '../support/factors.ts';
import { Person } from '../support/person.ts';

const PAGES = ['/admin', '/admin/people', '/admin/keys', '/admin/signed-in', '/admin/sign-out'];

describe('Administration pages on ADMIN_PORT', () => {
  let server: AdminServer;
  before(async () => {
    server = await startApart();
  });
  after(() => server.close());

  const createOperator = (role: 'admin' | 'support' | 'auditor' = 'admin') => server.createPerson({ role });
  const cookieOf = (browser: TwoOrigins, name: string): string | undefined =>
    browser.admin
      .cookies()
      .find((cookie) => cookie.startsWith(`${name}=`))
      ?.slice(name.length + 1);

  /** Sends a request with any Host. */
  const ask = (path: string, host: string, headers: Record<string, string> = {}): Promise<number> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(String(server.adminAddress));
      request({ hostname, port, path, headers: { accept: 'text/html', ...headers, host } }, (response) => {
        response.resume();
        resolve(Number(response.statusCode));
      })
        .on('error', reject)
        .end();
    });

  it('sign an operator in at the issuer, by a code, and return to the page', async () => {
    const operator = await createOperator();
    const { browser, page } = await enterApart(server, operator, '/admin/people');
    assert.equal(page.response.status, 200, page.html);
    assert.equal(page.url.href, `${server.origin}/admin/people`);
    assert.match(page.html, new RegExp(operator.email));
    const kept = browser.admin.cookies().map((cookie) => cookie.split('=')[0]);
    assert.deepEqual(kept, ['admin'], 'the sign-in on its way is over');
    // The browser has the token in encrypted form only, and the database stores no plain form of it.
    const [row] = await server.sql("select count(*)::int as tokens from token where client_id = 'munjigi-admin' and account_id = $1", [
      operator.id,
    ]);
    assert.equal(row?.['tokens'], 1);
    assert.match(String(cookieOf(browser, 'admin')), /^v1\./);
  });

  it('send PKCE, state and nonce in the request, different each time', async () => {
    const [one, two] = await Promise.all(
      [1, 2].map(async () => {
        const response = await new Person(server.origin).request('/admin');
        assert.equal(response.status, 303);
        assert.match(String(response.headers.get('set-cookie')), /^admin-sign-in=v1\.[^;]+; path=\/; samesite=lax; httponly$/i);
        return new URL(String(response.headers.get('location')));
      }),
    );
    for (const url of [one, two]) {
      assert.equal(url?.origin, server.issuer);
      const { client_id, redirect_uri, response_type, scope, code_challenge_method } = Object.fromEntries(url?.searchParams ?? []);
      assert.deepEqual(
        [client_id, redirect_uri, response_type, scope, code_challenge_method],
        ['munjigi-admin', `${server.origin}/admin/signed-in`, 'code', 'openid', 'S256'],
      );
    }
    for (const name of ['state', 'nonce', 'code_challenge']) {
      assert.match(String(one?.searchParams.get(name)), /^[\w-]{43}$/);
      assert.notEqual(one?.searchParams.get(name), two?.searchParams.get(name), name);
    }
  });

  it('are missing on the public port, where the account page links to them', async () => {
    for (const path of PAGES) {
      const response = await fetch(server.issuer + path, { redirect: 'manual', headers: { accept: 'text/html' } });
      assert.equal(response.status, 404, path);
      await response.body?.cancel();
    }
    const person = new Person(server.issuer);
    const account = await (await person.open('/account')).submit(await createOperator());
    assert.match(account.html, new RegExp(`href="${server.origin}/admin"`));
  });

  it('share nothing of the issuer on their listener', async () => {
    const host = new URL(server.origin).host;
    for (const path of ['/account', '/oauth/authorize', '/oauth/token', '/interaction/x', '/developer', '/livez', '/signup'])
      assert.equal(await ask(path, host), 404, path);
    assert.equal(await ask('/', host), 302);
  });

  it('answer only under their own host; the API answers under any', async () => {
    const { browser } = await enterApart(server, await createOperator());
    const cookie = browser.admin.cookies().join('; ');
    assert.equal(await ask('/admin', new URL(server.origin).host, { cookie }), 200);
    for (const host of [new URL(server.issuer).host, 'evil.example', `127.0.0.1:${new URL(server.origin).port}`])
      for (const path of [...PAGES, '/']) assert.equal(await ask(path, host, { cookie }), 421, `${host} ${path}`);
    const authorization = `Bearer ${await machineToken(server, await createMachine(server))}`;
    for (const host of ['evil.example', new URL(server.origin).host])
      assert.equal(await ask('/admin/api/v1/people', host, { authorization }), 200, host);
    // The browser's cookies give no access to any API.
    assert.equal(await ask('/admin/api/v1/people', new URL(server.origin).host, { cookie }), 401);
  });

  it("refuse a forged cookie, a token that this server did not encrypt, and the issuer's session", async () => {
    const { browser, page } = await enterApart(server, await createOperator());
    assert.equal(page.response.status, 200);
    const sealed = String(cookieOf(browser, 'admin'));
    const pending = String(
      (await new Person(server.origin).request('/admin')).headers.get('set-cookie')?.replace(/^admin-sign-in=([^;]+).*/, '$1'),
    );
    const issuers = browser.issuer.cookies().join('; ');
    for (const cookie of [
      'admin=guessed',
      'admin=',
      `admin=${sealed.slice(0, -4)}AAAA`,
      `admin=${pending}`,
      `admin-sign-in=${sealed}`,
      'admin=v1.00000000.AAAA.AAAA',
      issuers,
    ]) {
      const response = await fetch(`${server.origin}/admin`, { redirect: 'manual', headers: { cookie, accept: 'text/html' } });
      assert.equal(response.status, 303, cookie);
      assert.equal(new URL(String(response.headers.get('location'))).origin, server.issuer);
      await response.body?.cancel();
    }
  });

  it("refuse a code that another browser requested, or one with another's state", async () => {
    const [operator, attacker] = [await createOperator(), await createOperator('auditor')];
    // The attacker signs in, and stops before the answer is delivered.
    const theirs = (await enterApart(server, attacker)).browser;
    theirs.admin.setCookie('admin', '');
    const asked = await theirs.admin.open('/admin');
    const answer = (await theirs.issuer.open(asked.url.href)).url;
    assert.equal(answer.origin, server.origin);
    assert(answer.searchParams.get('code'));
    const victim = new TwoOrigins(server);
    const refused = await victim.admin.open(answer.href);
    assert.equal(refused.response.status, 400);
    assert.match(refused.html, /This sign-in has ended/);
    assert.match(refused.html, /href="\/admin"/);
    // The same with a sign-in of its own in progress. With that one's state the code does not match.
    const own = await victim.admin.open('/admin');
    assert.equal((await victim.admin.open(answer.href)).response.status, 400);
    answer.searchParams.set('state', String(own.url.searchParams.get('state')));
    assert.equal((await victim.admin.open(answer.href)).response.status, 400);
    assert.deepEqual(
      victim.admin.cookies().filter((cookie) => cookie.startsWith('admin=')),
      [],
    );
    assert.equal((await enterApart(server, operator)).page.response.status, 200);
  });

  it('accept a response once, even with the same cookies', async () => {
    const { browser } = await enterApart(server, await createOperator());
    browser.admin.setCookie('admin', '');
    const asked = await browser.admin.open('/admin');
    const answer = (await browser.issuer.open(asked.url.href)).url;
    const twin = browser.admin.twin();
    assert.equal((await browser.admin.open(answer.href)).response.status, 200);
    assert.equal((await browser.admin.open(answer.href)).response.status, 400);
    assert.equal((await twin.open(answer.href)).response.status, 400);
    assert.equal((await browser.admin.open('/admin')).response.status, 200, 'who is in stays in');
  });

  it('refuse a response of another issuer, an error, and one without a code', async () => {
    const { browser } = await enterApart(server, await createOperator());
    browser.admin.setCookie('admin', '');
    const begin = async () => {
      const answer = new URL((await browser.issuer.open((await browser.admin.open('/admin')).url.href)).url);
      return answer;
    };
    for (const change of [
      (url: URL) => url.searchParams.set('iss', 'https://evil.example'),
      (url: URL) => url.searchParams.delete('iss'),
      (url: URL) => url.searchParams.delete('code'),
      (url: URL) => url.searchParams.set('code', 'guessed'),
      (url: URL) => url.searchParams.set('code', '\u0000'),
      (url: URL) => url.searchParams.set('error', '<script>'),
      (url: URL) => url.searchParams.append('state', 'x'),
    ]) {
      const answer = await begin();
      change(answer);
      const page = await browser.admin.open(answer.href);
      assert.equal(page.response.status, 400, answer.href);
      assert.doesNotMatch(page.html, /<script>/);
    }
    assert.equal((await fetch(`${server.origin}/admin`, { redirect: 'manual' })).status, 303);
  });

  it("end every copy of the cookie at sign-out, and lead to the issuer's sign-out", async () => {
    const { browser, page } = await enterApart(server, await createOperator());
    const copy = browser.admin.twin();
    assert.equal((await copy.request('/admin')).status, 200);
    assert.match(page.html, /<form method="post" action="\/admin\/sign-out">/);
    assert.equal((await browser.admin.open('/admin/sign-out', { method: 'POST', body: new URLSearchParams() })).response.status, 403);
    assert.equal((await copy.request('/admin')).status, 200, 'a form that is not ours ends nothing');
    const left = await browser.send(page, '/admin/sign-out');
    assert.equal(left.url.href, `${server.issuer}/oauth/logout`);
    assert.match(left.html, /Sign out/);
    assert.equal(cookieOf(browser, 'admin'), undefined);
    assert.equal((await copy.request('/admin')).status, 303);
  });

  it('end with a sign-out at the issuer', async () => {
    const { browser } = await enterApart(server, await createOperator());
    const out = await browser.issuer.open('/oauth/logout');
    await out.submit({ logout: 'yes' });
    const response = await browser.admin.request('/admin');
    assert.equal(response.status, 303);
    assert.match((await browser.open('/admin')).html, /name="password"/);
  });

  it('close at once for a disabled operator, a withdrawn role and an ended grant', async () => {
    for (const [change, status] of [
      ['update user_account set disabled_at = now() where id = $1', 303],
      ["update user_account set delete_after = now() + interval '1 day' where id = $1", 303],
      ["update user_account set role = 'user' where id = $1", 404],
      ["delete from grant_record where account_id = $1 and client_id = 'munjigi-admin'", 303],
      ['delete from session where account_id = $1', 303],
    ] as const) {
      const operator = await createOperator('support');
      const { browser, page } = await enterApart(server, operator, '/admin/people');
      assert.equal(page.response.status, 200);
      await server.sql(change, [operator.id]);
      assert.equal((await browser.admin.request('/admin/people')).status, status, change);
    }
  });

  it('tell an operator without a factor where to set one up; the first admin has the days of grace', async () => {
    await server.sql("update user_account set role = 'user'");
    const [first, second] = [await createOperator(), await createOperator()];
    for (const [operator, status, words] of [
      [first, 200, /within 7 days/],
      [second, 403, /Operators need a second factor/],
    ] as const) {
      const browser = new TwoOrigins(server);
      const page = await browser.submit(await browser.open('/admin'), operator);
      assert.equal(page.url.origin, server.origin);
      assert.equal(page.response.status, status);
      assert.match(page.html, words);
      assert.match(page.html, new RegExp(`href="${server.issuer}/account/factors"`));
    }
  });

  it('continue after a factor was set up: the earlier sign-in gets stronger', async () => {
    await enterApart(server, await createOperator());
    const operator = await createOperator('support');
    const browser = new TwoOrigins(server);
    assert.equal((await browser.submit(await browser.open('/admin'), operator)).response.status, 403);
    const { secret } = await addTotp(server, operator);
    await forgetSteps(server, operator.id);
    const owed = await browser.open('/admin/clients');
    assert.match(owed.html, /One more step/);
    const shown = await browser.submit(owed, { code: totpCode(secret) });
    assert.equal(shown.url.href, `${server.origin}/admin/clients`);
    assert.equal(shown.response.status, 200);
  });

  it('require a recent sign-in for an act, and do not run an interrupted one', async () => {
    const [operator, other] = [await createOperator(), await server.createPerson()];
    const path = `/admin/people/${other.id}/disable`;
    const { browser, page } = await enterApart(server, operator, path);
    assert.equal(page.response.status, 200);
    await ageSignIns(server, 20 * 60);
    await server.sql(
      `update token set payload = jsonb_set(payload, '{extra,auth_time}', to_jsonb((payload->'extra'->>'auth_time')::int - 1200)) where account_id = $1`,
      [operator.id],
    );
    assert.equal((await browser.admin.request('/admin/people')).status, 200, 'a look does not');
    const before = await stateOf(server);
    const again = await browser.send(page, path);
    assert.match(again.html, /name="password"/);
    assert.deepEqual(await stateOf(server), before);
  });

  it('run an act once and record it; they refuse a form of the other origin', async () => {
    const [operator, other] = [await createOperator(), await server.createPerson()];
    const path = `/admin/people/${other.id}/disable`;
    const { browser, page } = await enterApart(server, operator, path);
    for (const headers of [
      { origin: server.issuer, 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    ])
      assert.equal((await browser.send(page, path, {}, headers)).response.status, 403);
    const done = await browser.send(page, path, {}, { origin: server.origin });
    assert.equal(done.url.pathname, `/admin/people/${other.id}`);
    assert.equal((await browser.send(page, path)).url.pathname, `/admin/people/${other.id}`, 'a second press');
    const events = await server.sql("select actor_id from audit_event where account_id = $1 and type = 'account_disabled'", [other.id]);
    assert.deepEqual(events, [{ actor_id: operator.id }]);
  });

  it('let an ordinary user sign in, and show nothing', async () => {
    const browser = new TwoOrigins(server);
    const page = await browser.submit(await browser.open('/admin'), await server.createPerson());
    assert.equal(page.response.status, 404);
  });

  it('allow their forms to lead only to the issuer; their files and logos are on the same listener', async () => {
    const { page, browser } = await enterApart(server, await createOperator());
    const policy = String(page.response.headers.get('content-security-policy'));
    assert.match(policy, new RegExp(`form-action 'self' ${server.issuer};`));
    assert.match(page.html, new RegExp(`href="${server.issuer}/account"`));
    for (const [, path] of page.html.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g))
      assert.equal((await browser.admin.request(String(path))).status, 200, path);
  });

  it('need no consent for their client, which appears in no list of connected clients and does not change', async () => {
    const operator = await createOperator();
    const { browser } = await enterApart(server, operator);
    assert.doesNotMatch((await browser.issuer.open('/account/apps')).html, /munjigi-admin/);
    const { page } = await enterApart(server, operator, '/admin/clients/munjigi-admin');
    assert.doesNotMatch(page.html, /\/suspend"|\/delete"|\/owners\/add"/);
    const token = await machineToken(server, await createMachine(server));
    const before = await stateOf(server);
    for (const request of ['POST /clients/munjigi-admin/suspend', 'DELETE /clients/munjigi-admin'])
      assert.equal((await call(server, token, request)).status, 409, request);
    assert.deepEqual(await stateOf(server), before);
  });

  it('start the oldest sign-in again when a browser has too many at once, so that the cookie stays small', async () => {
    const person = new Person(server.origin);
    for (let n = 0; n < 30; n++) assert.equal((await person.request('/admin/people')).status, 303);
    assert.ok(person.cookies().join().length < 3_000);
  });
});

describe('Administration pages elsewhere', () => {
  it('do not exist in production without ADMIN_PORT', async () => {
    const server = await startTestServer({ environment: 'production' });
    try {
      for (const path of PAGES) assert.equal((await fetch(server.issuer + path, { redirect: 'manual' })).status, 404, path);
      const account = await (await new Person(server.issuer).open('/account')).submit(await server.createPerson({ role: 'admin' }));
      assert.doesNotMatch(account.html, /\/admin"/);
    } finally {
      await server.close();
    }
  });

  it('set cookies for that host only, with Secure, at an https origin', async () => {
    const server = await startApart({ adminOrigin: 'https://admin.example' });
    try {
      const { hostname, port } = new URL(String(server.adminAddress));
      const headers = await new Promise<NodeJS.Dict<string | string[]>>((resolve, reject) => {
        const options = { hostname, port, path: '/admin', headers: { host: 'admin.example', accept: 'text/html' } };
        request(options, (response) => {
          response.resume();
          resolve(response.headers);
        })
          .on('error', reject)
          .end();
      });
      assert.match(String(headers['set-cookie']), /^__Host-admin-sign-in=v1\.[^;]+; path=\/; samesite=lax; secure; httponly$/i);
      assert.match(String(headers['location']), /redirect_uri=https%3A%2F%2Fadmin\.example%2Fadmin%2Fsigned-in/);
      assert.match(String(headers['strict-transport-security']), /max-age/);
    } finally {
      await server.close();
    }
  });
});
