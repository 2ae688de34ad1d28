import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, clientCredentials, pkce, type TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { askAgain, beginReset, newcomer } from '../support/sign-up.ts';
import { countRows } from '../support/storage.ts';

/** The test acts as the server's proxy, so that each request can come from its own network. */
describe('Guessing passwords', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer({ trustedProxies: ['127.0.0.1', '::1'] });
    client = await server.createClient();
  });
  after(() => server.close());

  let networks = 0;
  const somewhere = () => `10.${(networks >> 8) & 255}.${networks++ & 255}.7`;

  async function browserAt(network = somewhere()) {
    const person = new Person(server.issuer);
    person.headers = { 'x-forwarded-for': network };
    return person.open(authorizePath(client, { ...pkce(), code_verifier: undefined }));
  }

  const failures = (id: string) => countRows(server, `audit_event where type = 'sign_in_failed' and account_id = $1`, [id]);

  it('checks at most 25 of 100 wrong passwords at once, for one account, from many networks, on two nodes', async (test) => {
    const person = await server.createPerson();
    const [page, node] = [await browserAt(), await server.secondNode()];
    test.after(() => node.close());
    const body = new URLSearchParams({
      csrf: String(page.form().hidden['csrf']),
      email: person.email.toUpperCase(),
      password: 'not this one',
    });
    const url = new URL(page.form().action, server.issuer);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        (n % 2 ? node : server).send(url, {
          method: 'POST',
          body,
          redirect: 'manual',
          headers: { accept: 'text/html', cookie: page.person.cookies().join('; '), 'x-forwarded-for': somewhere() },
        }),
      ),
    );
    const count = (status: number) => answers.filter((answer) => answer.status === status).length;
    // A very busy machine may answer some with 503, before or after they were counted.
    assert(count(401) > 0 && count(401) <= 25, `${count(401)} were looked at`);
    assert(count(429) > 0);
    assert.equal(count(401) + count(429) + count(503), 100);
    assert.equal(await failures(person.id), count(401), 'each that was looked at is in the record');
    const refused = answers.find(({ status }) => status === 429);
    assert(Number(refused?.headers.get('retry-after')) > 0 && Number(refused?.headers.get('retry-after')) <= 900);
    assert.match(String(await refused?.text()), /Too many attempts/);

    assert.equal((await page.submit(person)).response.status, 429, 'the right one is not looked at either');
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 0);
    await server.sql(`update rate_limit set expires_at = now() - interval '1 second'`);
    assert.match((await page.submit(person)).html, /name="decision"/, 'nobody is locked out for good');
  });

  it('delays the eleventh try, from another network, and the right password ends the count', async () => {
    const person = await server.createPerson();
    for (let n = 0; n < 12; n++)
      assert.equal((await (await browserAt()).submit({ ...person, password: 'not this one' })).response.status, 401);
    assert.match((await (await browserAt()).submit(person)).html, /name="decision"/);
    assert.equal(await countRows(server, 'rate_limit where points > 10'), 0);
  });

  it('starts again for an account after the right password', async () => {
    const person = await server.createPerson();
    for (let round = 0; round < 2; round++) {
      const page = await browserAt();
      for (let wrong = 0; wrong < 9; wrong++)
        assert.equal((await page.submit({ ...person, password: 'not this one' })).response.status, 401);
      assert.match((await page.submit(person)).html, /name="decision"/);
    }
    assert.equal(await failures(person.id), 18);
  });

  it('is limited to a hundred failures from one network, and a successful sign-in does not allow more', async () => {
    const own = await server.createPerson();
    const network = '192.0.2.9';
    await server.sql('delete from rate_limit');
    const page = await browserAt(network);
    let looked = 0;
    for (let guess = 0; guess < 120; guess++) {
      const { status } = (await page.submit({ email: `victim${guess}@people.example`, password: 'not this one' })).response;
      if (status === 401) looked += 1;
      if (guess % 20 === 0 && guess < 100) assert.equal((await (await browserAt(network)).submit(own)).response.status, 200);
    }
    assert.equal(looked, 100);
    // Another host of the same network does not count as another network.
    assert.equal((await (await browserAt('192.0.2.77')).submit(own)).response.status, 429);
    assert.equal((await (await browserAt()).submit(own)).response.status, 200);
  });

  it('answers some of 200 parallel sign-ins with 503, while tokens are issued', async () => {
    await server.sql('delete from rate_limit');
    const pages = await Promise.all(Array.from({ length: 20 }, () => browserAt()));
    await clientCredentials(server, client, 'api');
    const times: number[] = [];
    let signingIn = true;
    const tokens = (async () => {
      while (signingIn || times.length < 50) {
        const begun = performance.now();
        await clientCredentials(server, client, 'api');
        times.push(performance.now() - begun);
      }
    })();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => {
        const page = pages[n % 20] as (typeof pages)[number];
        const body = new URLSearchParams({
          csrf: String(page.form().hidden['csrf']),
          email: `flood${n}@people.example`,
          password: 'not this one',
        });
        return page.person.request(page.form().action, { method: 'POST', body, headers: { 'x-forwarded-for': somewhere() } });
      }),
    );
    signingIn = false;
    await tokens;
    const statuses = new Set(answers.map(({ status }) => status));
    assert.deepEqual([...statuses].sort(), [401, 503], 'some were looked at, some were not');
    for (const answer of answers.filter(({ status }) => status === 503)) assert(answer.headers.get('retry-after'));
    times.sort((a, b) => a - b);
    const at = (share: number) => Math.round(times[Math.floor(times.length * share)] as number);
    console.log(`/oauth/token during 200 sign-ins: ${times.length} answered, median ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  });

  it('sends few mails to one address for all requesters, with the same answer without an account', async () => {
    const person = await server.createPerson();
    const nobody = newcomer().email;
    for (const email of [person.email, nobody]) {
      let page = await beginReset(server, client, email);
      for (let more = 0; more < 5; more++) page = await askAgain(page);
      const late = await askAgain(page);
      assert.equal(late.response.status, 429);
      assert.match(late.html, /Too many emails/);
    }
    assert.equal((await lettersTo(server, person.email)).length, 6);
    assert.equal((await lettersTo(server, nobody)).length, 1);
  });
});
