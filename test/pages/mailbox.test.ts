import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { composeLetter } from '../../src/http/letters.ts';
import type { Config } from '../../src/platform/config.ts';
import { mailLetter } from '../../src/platform/mail.ts';
import { fetchThrough } from '../../src/platform/outgoing.ts';
import { KeyRing, randomSecret } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { Person } from '../support/person.ts';

const CODE = '48291375';
const [ID, NOBODY] = [/href="\/dev\/mail\/([0-9a-f-]{36})"/g, '00000000-0000-4000-8000-000000000000'];

async function withMail(environment: Config['environment'], more: Partial<Config> = {}): Promise<TestServer> {
  const server = await startTestServer({ environment, ...more });
  const keyRing = new KeyRing(server.config.dataEncryptionKeys);
  const at = new Date();
  for (const language of ['ko', 'en'] as const) {
    const occasion = { issuer: server.issuer, visitor: { address: '127.0.0.0/24', browser: undefined }, at };
    const letter = composeLetter(language, 'sign_up', { code: CODE, link: `${server.issuer}/?a=1&b=2`, minutes: 15, ...occasion });
    await server.database.change(mailLetter(keyRing, `${language}@people.example`, letter));
  }
  return server;
}

describe('The mailbox of development', () => {
  let server: TestServer;
  before(async () => {
    server = await withMail('development');
  });
  after(() => server.close());

  const speaking = (language: string) => {
    const person = new Person(server.issuer);
    person.headers = { 'accept-language': language };
    return person;
  };

  it('lists what was written, newest first, in the language of its reader', async () => {
    const { html, response } = await speaking('ko').open('/dev/mail');
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.match(html, /<h1>메일함<\/h1>/);
    assert(html.indexOf('en@people.example') < html.indexOf('ko@people.example'));
    assert.match(html, /<span lang="ko">이메일을 확인해 주세요<\/span>/);
    assert.match((await speaking('en').open('/dev/mail')).html, /<h1>Mailbox<\/h1>/);
  });

  it('shows a mail as text, with its code to copy and its links to follow, and says that it was not sent', async () => {
    const person = speaking('en');
    const [[, id] = []] = (await person.open('/dev/mail')).html.matchAll(ID);
    const { html } = await person.open(`/dev/mail/${id}`);
    assert.match(html, /<h1 lang="en">Confirm your email<\/h1>/);
    assert(html.includes(`    ${CODE}\n`) && html.includes(`<a href="${server.issuer}/?a=1&amp;b=2">`), html);
    assert.match(html, /<dd>Not sent<\/dd>/);
    assert.match(html, new RegExp(`href="/dev/mail/${id}/html"`));
  });

  it('shows the HTML as a mail program does: its own style, and nothing that runs or loads', async () => {
    const person = speaking('en');
    const [[, id] = []] = (await person.open('/dev/mail')).html.matchAll(ID);
    const { html, response } = await person.open(`/dev/mail/${id}/html`);
    assert(html.includes(`>${CODE}</p>`));
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.match(String(response.headers.get('content-security-policy')), /^default-src 'none'; style-src 'unsafe-inline';.* sandbox$/);
    assert.equal(response.headers.get('x-frame-options'), 'DENY');
  });

  it('says in words that there is nothing, of an address that leads to no mail and of one that is no address', async () => {
    for (const path of [NOBODY, `${NOBODY}/html`, `${NOBODY}/else`, '../mail/x', 'x', '%00', `${'a'.repeat(36)}`]) {
      const { response, html } = await speaking('en').open(`/dev/mail/${path}`);
      assert.equal(response.status, 404, path);
      assert.match(html, /Page not found/);
    }
    assert.equal((await speaking('en').request('/dev/mail', { method: 'POST' })).status, 404);
  });

  it('leaves out what was sealed with keys of an earlier day', async () => {
    const foreign = new KeyRing([new Uint8Array(32).fill(7)]);
    await server.database.change(mailLetter(foreign, 'foreign@people.example', { language: 'en', subject: 's', text: 't', html: 'h' }));
    const { response, html } = await speaking('en').open('/dev/mail');
    assert.equal(response.status, 200);
    assert(!html.includes('foreign@people.example') && html.includes('en@people.example'));
  });

  it('answers this machine alone: not what came by a proxy, nor from another machine, nor where others reach the server', async () => {
    const [{ id } = {}] = await server.sql('select id from mail');
    for (const [name, value] of [
      ['x-forwarded-for', '127.0.0.1'],
      ['x-forwarded-host', 'localhost'],
      ['forwarded', 'for=127.0.0.1'],
    ] as const)
      for (const path of ['/dev/mail', `/dev/mail/${id}`, `/dev/mail/${id}/html`]) {
        const response = await fetch(server.issuer + path, { headers: { [name]: value, accept: 'text/html' } });
        assert.equal(response.status, 404, `${path} ${name}`);
        assert(!(await response.text()).includes('people.example'));
      }
    const others = Object.values(networkInterfaces()).flatMap((addresses) => addresses?.filter(({ internal }) => !internal) ?? []);
    const reached = await withMail('development', { host: '0.0.0.0' });
    const publicly = await withMail('development', { issuer: 'http://auth.example.com' });
    try {
      const ask = (of: TestServer, address: string) =>
        fetchThrough(() => `http://${address}:${of.config.port}`, of.issuer)(`${of.issuer}/dev/mail`);
      assert.equal((await ask(reached, '127.0.0.1')).status, 200);
      for (const { address } of others.filter(({ family }) => family === 'IPv4'))
        assert.equal((await ask(reached, address)).status, 404, address);
      assert.equal((await ask(publicly, '127.0.0.1')).status, 404);
    } finally {
      await Promise.all([reached.close(), publicly.close()]);
    }
  });

  for (const environment of ['production', 'test'] as const)
    it(`is not there in ${environment}, whoever asks`, async () => {
      const other = await withMail(environment);
      const [{ id } = {}] = await other.sql('select id from mail');
      for (const path of [
        '/dev/mail',
        '/dev/mail/',
        `/dev/mail/${id}`,
        `/dev/mail/${id}/html`,
        '/dev//mail',
        `/dev/mail?${randomSecret()}`,
      ]) {
        const { response, html } = await new Person(other.issuer).open(path);
        assert.equal(response.status, 404, path);
        assert(!html.includes(CODE) && !html.includes('people.example'));
      }
      await other.close();
    });
});
