import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { LIMITS } from '../../src/http/rate-limit.ts';
import { mailboxOf } from '../../src/people/email-address.ts';
import { openAccount } from '../support/account.ts';
import { beginDevice, createDeviceClient, typeCode } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, type Credentials, pkce, type TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { newcomer, openPage } from '../support/sign-up.ts';
import { countRows } from '../support/storage.ts';

/** Strangers cannot use up a user's tries: a browser that the account used before has its own counts. */
describe('Limits that a stranger cannot use up for a user', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer({ trustedProxies: ['127.0.0.1'] });
    client = await server.createClient();
  });
  after(() => server.close());

  let networks = 0;
  const somewhere = () => `198.19.${networks++ & 255}.7`;
  const newBrowser = (network = somewhere()) => {
    const person = new Person(server.issuer);
    person.headers = { 'x-forwarded-for': network };
    return person;
  };
  const signInAt = (person: Person) => person.open(authorizePath(client, { ...pkce(), code_verifier: undefined, prompt: 'login' }));
  /** A browser in which the account signed in, and is signed out now. */
  async function browserOf(account: Credentials): Promise<Person> {
    const person = newBrowser();
    await openAccount(server, account, '/account', person);
    await server.sql('delete from session where account_id = (select id from user_account where email = $1)', [account.email]);
    return person;
  }
  async function guess(email: string): Promise<void> {
    const page = await signInAt(newBrowser());
    for (let n = 0; n <= LIMITS.passwordOfAccountFromNetwork.points; n++) await page.submit({ email, password: `not this one ${n}` });
    assert.equal((await page.submit({ email, password: 'nor this' })).response.status, 429);
  }
  /** The state after strangers used up the tries from many networks: the last of them get slow answers. */
  async function closeToStrangers(email: string): Promise<void> {
    await guess(email);
    const { name, points } = LIMITS.passwordOfAccount;
    const closed = await server.sql('update rate_limit set points = $1 where key = sha256($2::bytea) returning key', [
      points,
      `${name} ${email}`,
    ]);
    assert.equal(closed.length, 1);
  }

  describe('of password tries', () => {
    it('stop one network, while a new browser elsewhere signs in', async () => {
      const account = await server.createPerson();
      await guess(account.email);
      assert.match((await (await signInAt(newBrowser())).submit(account)).html, /name="decision"/);
    });

    it('delay a new browser after many tries from everywhere, but not a known browser', async () => {
      const account = await server.createPerson();
      const own = await browserOf(account);
      await closeToStrangers(account.email);
      const before = await countRows(server, 'session where account_id is not null');
      assert.equal((await (await signInAt(newBrowser())).submit(account)).response.status, 429, 'with the right one, from elsewhere');
      assert.equal(await countRows(server, 'session where account_id is not null'), before);
      const page = await (await signInAt(own)).submit(account);
      assert.match(page.html, /name="decision"/);
    });

    it('do not stop a known browser in a network that used up its tries', async () => {
      const account = await server.createPerson();
      const own = await browserOf(account);
      await guess((await server.createPerson()).email);
      await server.sql('update rate_limit set points = 1000000');
      assert.match((await (await signInAt(own)).submit(account)).html, /name="decision"/);
      await server.sql('delete from rate_limit');
    });

    it('give a known browser ten tries of its own', async () => {
      const [account, other] = [await server.createPerson(), await server.createPerson()];
      const [own, second] = [await browserOf(account), await browserOf(account)];
      const page = await signInAt(own);
      for (let n = 0; n < LIMITS.passwordAtDevice.points; n++)
        assert.equal((await page.submit({ ...account, password: 'not this one' })).response.status, 401);
      assert.equal((await page.submit(account)).response.status, 429);
      assert.match((await (await signInAt(second)).submit(account)).html, /name="decision"/, 'another browser of the person');
      assert.match(
        (await (await signInAt(own)).submit(other)).html,
        /name="decision"/,
        'another account in this browser counts as everywhere',
      );
    });

    it('ignore a cookie that is forged, of another account, or from before the account was given back', async () => {
      const [account, other] = [await server.createPerson(), await server.createPerson()];
      const own = await browserOf(account);
      const others = await browserOf(other);
      const forger = newBrowser();
      forger.setCookie('device', 'x'.repeat(22));
      forger.setCookie('device.sig', 'x'.repeat(27));
      await closeToStrangers(account.email);
      for (const person of [others, forger]) assert.equal((await (await signInAt(person)).submit(account)).response.status, 429);
      await server.sql('update user_account set devices_since = now() where id = $1', [account.id]);
      assert.equal((await (await signInAt(own)).submit(account)).response.status, 429);
    });
  });

  describe('of mails', () => {
    const askForReset = async (person: Person, email: string) => (await openPage(await signInAt(person), 'reset')).submit({ email });
    async function useUpResets(email: string): Promise<void> {
      for (let n = 0; n < LIMITS.lettersToAddress.points; n++) await askForReset(newBrowser(), email);
      assert.equal((await askForReset(newBrowser(), email)).response.status, 429);
    }

    it("leave the user one reset mail an hour in a known browser, despite strangers' requests", async () => {
      const account = await server.createPerson();
      const own = await browserOf(account);
      await useUpResets(account.email);
      const before = (await lettersTo(server, account.email)).length;
      assert.match((await askForReset(own, account.email)).url.pathname, /\/reset\/code$/);
      assert.equal((await lettersTo(server, account.email)).length, before + 1);
      assert.equal((await askForReset(own, account.email)).response.status, 429, 'one, since the others are used up');
      assert.equal((await lettersTo(server, account.email)).length, before + 1);
    });

    it('do not count sign-ups as resets', async () => {
      const account = await server.createPerson();
      for (let n = 0; n < LIMITS.lettersToAddress.points; n++)
        await (await openPage(await signInAt(newBrowser()), 'signup')).submit(newcomer({ email: account.email }));
      assert.match((await askForReset(newBrowser(), account.email)).url.pathname, /\/reset\/code$/);
    });

    it('count all addresses of one mailbox together, with any text after the plus sign', async () => {
      assert.equal(mailboxOf('Gildong+a+b@People.example'), 'gildong@people.example');
      assert.equal(mailboxOf('+tag@people.example'), '+tag@people.example');
      const local = `mailbox${networks}`;
      for (let n = 0; n < LIMITS.lettersToAddress.points; n++)
        await (await openPage(await signInAt(newBrowser()), 'signup')).submit(newcomer({ email: `${local}+${n}@people.example` }));
      const refused = await (await openPage(await signInAt(newBrowser()), 'signup')).submit(
        newcomer({ email: `${local}+more@people.example` }),
      );
      assert.equal(refused.response.status, 429);
      assert.equal(await countRows(server, 'mail where recipient = $1', [`${local}+more@people.example`]), 0);
    });
  });

  describe('of device codes', () => {
    it('do not stop a signed-in user after wrong codes from everywhere', async () => {
      const device = await createDeviceClient(server);
      const account = await server.createPerson();
      const own = newBrowser();
      await openAccount(server, account, '/account', own);
      // One statement for as many networks as needed.
      await typeCode(server, 'BCDF-GHJK', newBrowser());
      await server.sql('update rate_limit set points = points + $1', [LIMITS.userCode.points]);
      const { user_code } = await beginDevice(server, device, { scope: 'openid' });
      assert.equal((await typeCode(server, user_code, newBrowser())).response.status, 429, 'a stranger');
      assert.match((await typeCode(server, user_code, own)).html, /name="decision"/);
      await server.sql('delete from rate_limit');
    });

    it('give a signed-in user twenty guesses, and do not count a right code', async () => {
      const device = await createDeviceClient(server);
      const account = await server.createPerson();
      const own = newBrowser();
      await openAccount(server, account, '/account', own);
      const { user_code } = await beginDevice(server, device, { scope: 'openid' });
      for (let n = 0; n < 3; n++) assert.match((await typeCode(server, user_code, own)).html, /name="decision"/);
      for (let n = 0; n < LIMITS.userCodeOfAccount.points; n++)
        assert.equal((await typeCode(server, 'BCDF-GHJK', own)).response.status, 400);
      assert.equal((await typeCode(server, user_code, own)).response.status, 429);
      const elsewhere = newBrowser();
      await openAccount(server, account, '/account', elsewhere);
      assert.equal((await typeCode(server, user_code, elsewhere)).response.status, 429, 'by account, not by browser');
      assert.match((await typeCode(server, user_code, newBrowser())).html, /name="decision"/);
    });
  });
});
