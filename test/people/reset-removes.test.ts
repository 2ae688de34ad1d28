import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addPasskey, addTotp, forgetSteps, makeRecoveryCodes, proveMailbox, totpCode } from '../support/factors.ts';
import type { Credentials, TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { makeClient } from '../support/portal.ts';
import { beginReset, newestProof } from '../support/sign-up.ts';
import { countRows, unchanged } from '../support/storage.ts';

const NEW = 'a lantern for the new gate';

describe('A reset gives the account back', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ client_name: 'Moonlight' });
  });
  after(() => server.close());

  type Someone = Credentials & { id: string };

  /** Somebody whose mailbox was proven a day ago. */
  async function someone(): Promise<Someone> {
    const person = await server.createPerson();
    await server.sql(`update user_account set mailbox_proven_at = now() - interval '1 day' where id = $1`, [person.id]);
    return person;
  }

  /** As if no mail had vouched for what was added: somebody had a factor of theirs in hand, or it was added before there were proofs. */
  const unproven = ({ id }: Someone) =>
    server.sql(`update user_account set mailbox_proven_at = now() - interval '1 day' where id = $1`, [id]);

  async function toNewPassword({ email }: Credentials): Promise<Page> {
    const look = await beginReset(server, client, email);
    return look.submit({ code: (await newestProof(server, email)).code });
  }

  const namesOn = (page: Page) => [...page.html.matchAll(/name="keep" value="([^"]+)"/g)].map(([, name]) => String(name));
  const rowsOf = async ({ id }: Someone) => ({
    passkeys: await countRows(server, 'passkey where account_id = $1', [id]),
    totp: await countRows(server, 'totp_factor where account_id = $1', [id]),
    codes: await countRows(server, 'recovery_code where account_id = $1', [id]),
    links: await countRows(server, 'upstream_identity where account_id = $1', [id]),
  });

  async function link({ id }: Someone): Promise<void> {
    await server.sql(`insert into upstream_provider (id, name, settings) values ('far', 'Far', '{"signIn": true}') on conflict do nothing`);
    await server.sql(`insert into upstream_identity (id, provider_id, subject, account_id, details) values ($1, 'far', $1, $1, '{}')`, [
      id,
    ]);
  }

  /** An intruder knows the password, and adds a factor of each kind. */
  async function intruded(): Promise<Someone & { secret: string }> {
    const person = await someone();
    const { person: browser, secret } = await addTotp(server, person);
    await addPasskey(server, person, browser);
    await makeRecoveryCodes(browser);
    await link(person);
    await unproven(person);
    return { ...person, secret };
  }

  it('names what opens the account, and removes factors, codes and links that were added since', async () => {
    const person = await intruded();
    const page = await toNewPassword(person);
    for (const words of ['These will be removed', 'Passkey', 'Authenticator app', 'Recovery codes', 'Linked account at', 'Far'])
      assert(page.html.includes(words), words);
    assert.equal(namesOn(page).length, 4);
    const consent = await page.submit({ password: NEW });
    assert.match(consent.html, /name="decision"/, 'the user owes nothing to the factor of somebody else');
    assert.deepEqual(await rowsOf(person), { passkeys: 0, totp: 0, codes: 0, links: 0 });
    const [event] = await server.sql(`select detail from audit_event where account_id = $1 and type = 'password_reset'`, [person.id]);
    assert.deepEqual(event?.['detail'], { removed: ['passkey', 'totp', 'recovery_codes', 'link'] });
  });

  it('by the link in another browser too', async () => {
    const person = await intruded();
    await beginReset(server, client, person.email);
    const page = await new Person(server.issuer).open((await newestProof(server, person.email)).link);
    assert.equal(namesOn(page).length, 4);
    assert.equal((await page.submit({ password: NEW })).response.status, 200);
    assert.deepEqual(await rowsOf(person), { passkeys: 0, totp: 0, codes: 0, links: 0 });
  });

  it('keeps what the user says is theirs, and that alone; a refused password forgets no choice', async () => {
    const person = await intruded();
    let page = await toNewPassword(person);
    const totp = namesOn(page).find((name) => name.startsWith('totp ')) ?? assert.fail();
    page = await unchanged(server, () => page.submit({ password: 'short', keep: [totp, 'passkey of nobody', "' or true --"] }));
    assert.equal(page.response.status, 400);
    assert.match(page.html, new RegExp(`value="${totp}" checked`));
    assert.equal(page.html.match(/ checked/g)?.length, 1);
    await forgetSteps(server, person.id);
    const factor = await page.submit({ password: NEW, keep: totp });
    assert.match(factor.html, /One more step/, 'what is kept is owed');
    assert.match((await factor.submit({ code: totpCode(person.secret) })).html, /name="decision"/);
    assert.deepEqual(await rowsOf(person), { passkeys: 0, totp: 1, codes: 0, links: 0 });
  });

  it('leaves what was added with a proof by mail, and names it', async () => {
    const person = await someone();
    const { person: browser } = await addTotp(server, person);
    await makeRecoveryCodes(browser);
    const page = await toNewPassword(person);
    assert.match(page.html, /These also give access to your account, and stay:/);
    assert.deepEqual(namesOn(page), []);
    assert.match((await page.submit({ password: NEW })).html, /One more step/);
    assert.deepEqual(await rowsOf(person), { passkeys: 0, totp: 1, codes: 10, links: 0 });
  });

  it('removes what came while the page stood open', async () => {
    const person = await someone();
    const page = await toNewPassword(person);
    assert.deepEqual(namesOn(page), []);
    await addPasskey(server, person);
    await unproven(person);
    assert.match((await page.submit({ password: NEW })).html, /name="decision"/);
    assert.equal((await rowsOf(person)).passkeys, 0);
  });

  it("changes nothing of another account's, nor when the reset is refused", async () => {
    const [person, other] = [await intruded(), await intruded()];
    const page = await toNewPassword(person);
    await server.sql(`update one_time_token set expires_at = now() - interval '1 second' where account_id = $1`, [person.id]);
    const before = [await rowsOf(person), await rowsOf(other)];
    await page.submit({ password: NEW });
    assert.deepEqual([await rowsOf(person), await rowsOf(other)], before);
    await (await toNewPassword(person)).submit({ password: NEW });
    assert.deepEqual(await rowsOf(other), before[1]);
  });

  it('takes a scheduled deletion back, unless the user keeps it', async () => {
    for (const keeps of [false, true]) {
      const person = await someone();
      await send(await openAccount(server, person, '/account/delete'), '/account/delete', { certain: 'yes' });
      const page = await toNewPassword(person);
      const [name = ''] = namesOn(page);
      assert.match(name, /^deletion /);
      const next = await page.submit({ password: NEW, ...(keeps && { keep: name }) });
      const [account] = await server.sql('select delete_after from user_account where id = $1', [person.id]);
      assert.equal(account?.['delete_after'] !== null, keeps);
      assert.match(next.html, keeps ? /value="keep"/ : /name="decision"/);
    }
  });

  describe('in the developer portal', () => {
    const ownersOf = async (id: string) =>
      (await server.sql('select account_id from client_owner where client_id = $1 order by account_id', [id])).map(
        ({ account_id }) => account_id,
      );
    const secretsOf = (id: string) => countRows(server, 'client_secret where client_id = $1', [id]);

    /** An owner of a client, an accomplice whom an intruder has invited with the owner's password, and a colleague of before. */
    async function invited(more: Record<string, string> = {}) {
      const [owner, accomplice, colleague] = [await someone(), await someone(), await someone()];
      const { client_id: id } = await makeClient(server, owner);
      await server.sql(`update client_secret set created_at = now() - interval '2 days' where client_id = $1`, [id]);
      await server.sql(
        `insert into client_owner (client_id, account_id, invited_by, created_at) values ($1, $2, $3, now() - interval '2 days')`,
        [id, colleague.id, owner.id],
      );
      const path = `/developer/clients/${id}/owners`;
      await send(await openAccount(server, owner, path), path, { email: accomplice.email, ...more });
      const offers = await openAccount(server, accomplice, '/developer/invitations');
      const invitation = String(offers.form().hidden['invitation']);
      await send(offers, '/developer/invitations', { invitation, answer: 'accept' });
      return { owner, accomplice, colleague, id };
    }

    it('puts a co-owner out whom the intruder invited, with the secrets they made and whom they invited in turn', async () => {
      const { owner, accomplice, colleague, id } = await invited();
      const third = await someone();
      const path = `/developer/clients/${id}`;
      await send(await openAccount(server, accomplice, `${path}/secrets`), `${path}/secrets`, { action: 'make', overlap: '24' });
      await server.sql('insert into client_owner (client_id, account_id, invited_by) values ($1, $2, $3)', [id, third.id, accomplice.id]);
      await send(await openAccount(server, accomplice, `${path}/owners`), `${path}/owners`, { email: 'fourth@people.example' });
      await send(await openAccount(server, owner, `${path}/owners`), `${path}/owners`, { email: 'fifth@people.example' });
      assert.equal(await secretsOf(id), 2);
      const page = await toNewPassword(owner);
      assert.deepEqual(
        namesOn(page).map((name) => name.split(' ')[0]),
        ['owner', 'invitation'],
      );
      await page.submit({ password: NEW });
      assert.deepEqual(await ownersOf(id), [owner.id, colleague.id].sort());
      assert.equal(await secretsOf(id), 1, 'the one of two days ago');
      assert.equal(await countRows(server, 'client_invitation where client_id = $1', [id]), 0);
    });

    it('brings a client back that was handed on', async () => {
      const { owner, accomplice, colleague, id } = await invited({ transfer: 'yes' });
      assert.deepEqual(await ownersOf(id), [accomplice.id, colleague.id].sort());
      await (await toNewPassword(owner)).submit({ password: NEW });
      assert.deepEqual(await ownersOf(id), [owner.id, colleague.id].sort());
    });

    it('leaves a co-owner whom the user keeps, and removes a secret that was made since', async () => {
      const { owner, accomplice, id } = await invited();
      const path = `/developer/clients/${id}/secrets`;
      await send(await openAccount(server, owner, path), path, { action: 'make', overlap: '24' });
      const page = await toNewPassword(owner);
      assert.deepEqual(
        namesOn(page).map((name) => name.split(' ')[0]),
        ['owner', 'secret'],
      );
      await page.submit({ password: NEW, keep: namesOn(page)[0] ?? '' });
      assert((await ownersOf(id)).includes(accomplice.id));
      assert.equal(await secretsOf(id), 1);
    });

    it("removes initial access tokens of an operator's account, and no other's", async () => {
      const operator = await someone();
      for (const [id, by] of [
        ['mine', operator.id],
        ['theirs', 'somebody'],
        ['command', null],
      ])
        await server.sql(
          `insert into initial_access_token (id, digest, name, max_clients, made_by, expires_at) values ($1, convert_to($1, 'UTF8'), $1, 1, $2, now() + interval '1 day')`,
          [id, by],
        );
      await (await toNewPassword(operator)).submit({ password: NEW });
      const left = await server.sql('select id from initial_access_token order by id');
      assert.deepEqual(
        left.map(({ id }) => id),
        ['command', 'theirs'],
      );
    });
  });

  it('counts from the new proof on: a second reset removes nothing of what was kept', async () => {
    const person = await intruded();
    const page = await toNewPassword(person);
    await page.submit({ password: NEW, keep: namesOn(page) });
    await proveMailbox(server, person);
    const again = await toNewPassword(person);
    assert.deepEqual(namesOn(again), []);
    await again.submit({ password: `${NEW} again` });
    assert.deepEqual(await rowsOf(person), { passkeys: 1, totp: 1, codes: 10, links: 1 });
  });
});
