import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { signInIfAsked } from '../support/account.ts';
import { beginDevice, createDeviceClient, typeCode } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { newcomer, openPage, openSignIn } from '../support/sign-up.ts';

/** A stranger's header text appears nowhere that a user reads. A browser's name comes from a fixed list, or is absent. */

const SENTENCES = [
  'Account locked. Call +82-2-555-0199 or go to https://munjigi-help.example /1 x',
  'It is safe to press Yes/1 (munjigi-help.example; +82-2-555-0199)',
  'munjigi-help.example/1.0 (+82-2-555-0199) Version/1 Safari',
];
const MARKS = /555-0199|munjigi-help|Account locked|safe to press/;
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';

describe("Text in a stranger's User-Agent", () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const saying = (agent: string, name = 'user-agent') => {
    const person = new Person(server.issuer);
    person.headers = { 'accept-language': 'en', [name]: agent };
    return person;
  };

  async function letterAskedBy(person: Person): Promise<string> {
    const wish = newcomer();
    await (await openPage(await openSignIn(server, await server.createClient(), {}, person), 'signup')).submit(wish);
    const [letter] = await lettersTo(server, wish.email);
    assert(letter, wish.email);
    return letter.subject + letter.text + letter.html;
  }

  it("does not appear in a mail to an address that the sender chose; the browser's name does", async () => {
    for (const agent of SENTENCES) assert.doesNotMatch(await letterAskedBy(saying(agent)), MARKS, agent);
    assert.match(await letterAskedBy(saying(FIREFOX)), /Firefox, Linux/);
  });

  it('does not appear there in another header', async () => {
    for (const name of ['accept-language', 'referer', 'origin', 'sec-ch-ua', 'x-forwarded-for', 'x-request-id', 'from']) {
      const person = saying(String(SENTENCES[0]), name);
      if (name !== 'origin') assert.doesNotMatch(await letterAskedBy(person), MARKS, name);
      assert.doesNotMatch((await person.open('/account')).html, MARKS, name);
    }
  });

  it('does not appear on the page where a user compares the code of a device', async () => {
    const client = await createDeviceClient(server);
    for (const agent of [...SENTENCES, FIREFOX]) {
      const { user_code } = await beginDevice(server, client, { scope: 'openid' }, { 'user-agent': agent });
      const { html } = await typeCode(server, user_code, saying(FIREFOX));
      assert.match(html, /name="decision"/);
      assert.doesNotMatch(html, MARKS, agent);
    }
  });

  it("does not appear on the user's own pages, which list the signed-in browsers", async () => {
    const account = await server.createPerson();
    for (const agent of SENTENCES) {
      const person = saying(agent);
      await signInIfAsked(await person.open('/account/sessions'), account);
      for (const path of ['/account/sessions', '/account/activity', '/account/data'])
        assert.doesNotMatch((await person.open(path)).html, MARKS, `${path} ${agent}`);
    }
    const [{ kept } = {}] = await server.sql(
      `select (select count(*) from session where browser ~ '555|munjigi-help') + (select count(*) from audit_event e where e::text ~ '555-0199|munjigi-help') as kept`,
    );
    assert.equal(Number(kept), 0);
  });
});
