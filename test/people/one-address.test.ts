import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { emailProblem, normalizeEmail, spellingsOf } from '../../src/people/email-address.ts';
import { openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { beginReset, beginSignUp, newcomer, newestProof, openPage, openSignIn } from '../support/sign-up.ts';
import { countRows, unchanged } from '../support/storage.ts';

const [A_LABEL, U_LABEL] = ['xn--bcher-kva.example', 'bücher.example'];
const NEW = 'a lantern for the new gate';

describe('An e-mail address has one form', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  let count = 0;
  const local = () => `ida${++count}`;
  const opens = async (email: string, password: string) =>
    (await (await new Person(server.issuer).open('/account')).submit({ email, password })).url.pathname === '/account';
  /** An account from before a domain had one form. */
  async function early(email: string) {
    const person = await server.createPerson();
    await server.sql('update user_account set email = $2 where id = $1', [person.id, email]);
    return { ...person, email };
  }

  it('whichever way its domain is written', () => {
    for (const domain of [
      A_LABEL,
      U_LABEL,
      'BÜCHER.example',
      'Bu\u0308cher.Example',
      'ｂücher.example',
      'bücher。example',
      'XN--BCHER-KVA.example',
    ])
      assert.equal(normalizeEmail(` Ida@${domain}`), `ida@${A_LABEL}`, domain);
    assert.deepEqual(new Set(spellingsOf(`Ida@${A_LABEL}`)), new Set([`ida@${A_LABEL}`, `ida@${U_LABEL}`]));
    assert.equal(normalizeEmail('ida@1.2'), 'ida@1.2', 'a domain is no number');
    assert.equal(emailProblem('이다@한글.example'), undefined);
    for (const email of [
      'i\u2800da@a.example',
      '\u3164@a.example',
      'ida@a\u200db.example',
      'ida@\u3164.example',
      'ida@a\u0301\u200d.example',
    ])
      assert.equal(emailProblem(email), 'signup.email_problem', email);
  });

  it('two people cannot sign up with one: the second hears by mail that there is an account', async () => {
    const name = local();
    const [first, second] = [`${name}@${U_LABEL}`, `${name}@${A_LABEL}`];
    const page = await beginSignUp(server, client, newcomer({ email: first }));
    await page.submit({ code: (await newestProof(server, second)).code });
    assert.equal(await countRows(server, 'user_account where email = $1', [second]), 1, 'it is stored in the one form');
    for (const email of [first, second]) {
      const page = await beginSignUp(server, client, newcomer({ email }));
      assert.match(String((await lettersTo(server, second)).at(-1)?.subject), /already/i, email);
      assert(page);
    }
    assert.equal(await countRows(server, 'user_account where email like $1', [`${name}@%`]), 1);
  });

  it('an account that was stored in the other form signs in, resets its password, and cannot be had twice', async () => {
    const name = local();
    const person = await early(`${name}@${U_LABEL}`);
    for (const email of [`${name}@${U_LABEL}`, `${name}@${A_LABEL}`, `${name}@BÜCHER.EXAMPLE`])
      assert.equal(await opens(email, person.password), true, email);
    assert.equal(await opens(`${name}@${A_LABEL}`, 'wrong'), false);
    const signUp = await (await openPage(await openSignIn(server, client), 'signup')).submit(newcomer({ email: `${name}@${A_LABEL}` }));
    assert.match(signUp.url.pathname, /\/signup\/code$/);
    assert.match(String((await lettersTo(server, `${name}@${A_LABEL}`)).at(-1)?.subject), /already/i);
    const look = await beginReset(server, client, `${name}@${A_LABEL}`);
    const next = await look.submit({ code: (await newestProof(server, `${name}@${A_LABEL}`)).code });
    await next.submit({ password: NEW });
    assert.equal(await opens(person.email, NEW), true);
    assert.deepEqual(await server.sql('select email, email_verified from user_account where id = $1', [person.id]), [
      { email: person.email, email_verified: true },
    ]);
  });

  it('two accounts that had one before are each found by the form that it has', async () => {
    const name = local();
    const [unicode, ascii] = [await early(`${name}@${U_LABEL}`), await early(`${name}@${A_LABEL}`)];
    for (const person of [unicode, ascii]) assert.equal(await opens(person.email, person.password), true, person.email);
    assert.equal(await opens(unicode.email, ascii.password), false);
  });

  it('a user name after it means nobody else: not us, and none that another person gave up', async () => {
    const name = local();
    const gone = await server.createPerson({ username: `given.up.${name}` });
    await server.sql('delete from user_account where id = $1', [gone.id]);
    for (const [mailbox, fits] of [
      ['support', /^user(-\w{5})?$/],
      ['Munjigi.Help', /^user(-\w{5})?$/],
      ['\u0430dmin', /^user(-\w{5})?$/],
      [`given.up.${name}`, new RegExp(`^given\\.up\\.${name}-\\w{5}$`)],
    ] as const) {
      const email = normalizeEmail(`${mailbox}@${name}.example`);
      const page = await beginSignUp(server, client, newcomer({ email }));
      await page.submit({ code: (await newestProof(server, email)).code });
      const [account] = await server.sql('select username from user_account where email = $1', [email]);
      assert.match(String(account?.['username']), fits, mailbox);
    }
  });

  it('nobody changes to an address that has an account in the other form, and an own one is the same', async () => {
    const name = local();
    const [theirs, mine] = [await early(`${name}@${U_LABEL}`), await early(`${local()}@${U_LABEL}`)];
    const page = await openAccount(server, mine, '/account/email');
    await send(page, '/account/email', { email: `${name}@${A_LABEL}` });
    assert.equal((await lettersTo(server, `${name}@${A_LABEL}`)).length, 0);
    const same = await unchanged(server, () => send(page, '/account/email', { email: mine.email.replace(U_LABEL, A_LABEL) }));
    assert.equal(same.response.status, 422);
    assert.equal(await opens(theirs.email, theirs.password), true);
  });
});
