import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openAccount } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { approve, authorizePath, pkce } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, type RegisteredClient, register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

const LOCALIZED = {
  'client_name#ko': '산책',
  'tos_uri#ko': 'https://walk.example/ko/terms',
  'policy_uri#ko': 'https://walk.example/ko/privacy',
  'client_name#en': 'A walk',
};
const PLAIN = { tos_uri: 'https://walk.example/terms', policy_uri: 'https://walk.example/privacy' };

describe('Client metadata in several languages (RFC 7591 section 2.2)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const said = (body: object) => Object.fromEntries(Object.entries(body).filter(([member]) => member.includes('#')));
  const stored = async ({ client_id }: RegisteredClient) => {
    const [row] = await server.sql('select metadata from client where id = $1', [client_id]);
    return said(row?.['metadata'] as object);
  };

  it('is stored, returned at registration and reading, and removed by an update without it', async () => {
    const client = await register(server, { ...PLAIN, ...LOCALIZED, 'client_name#fr': 'Promenade' });
    assert.deepEqual(said(client), LOCALIZED, 'in the languages that there are pages in');
    assert.deepEqual(await stored(client), LOCALIZED);
    assert.deepEqual(said((await (await manage(server, client, 'GET')).json()) as object), LOCALIZED);

    const { client_id } = client;
    const renamed = await manage(server, client, 'PUT', { ...METADATA, client_id, 'client_name#ko': '달리기', 'tos_uri#ko': '' });
    const body = (await renamed.json()) as RegisteredClient;
    assert.equal(renamed.status, 200, JSON.stringify(body));
    assert.deepEqual(said(body), { 'client_name#ko': '달리기' });
    assert.deepEqual(await stored(client), { 'client_name#ko': '달리기' });
  });

  it('is checked like the plain metadata, at registration and at an update', async () => {
    const client = await register(server, LOCALIZED);
    const names = ['x'.repeat(101), 'a\u202eb', 'a\nb', '\u200b구글', 1, {}, ['x'], true];
    const links = [
      'javascript:alert(1)',
      'JaVaScRiPt:alert(1)',
      ' data:text/html,x',
      'walk.example',
      '/terms',
      1,
      {},
      ['https://walk.example'],
    ];
    const wrong = ['ko', 'en'].flatMap((language) => [
      ...names.map((name) => ({ [`client_name#${language}`]: name })),
      ...links.flatMap((link) => [{ [`tos_uri#${language}`]: link }, { [`policy_uri#${language}`]: link }]),
    ]);
    await unchanged(server, async () => {
      for (const metadata of wrong) {
        await assertRefused(await askToRegister(server, { ...METADATA, ...metadata }), 400, 'invalid_client_metadata');
        const update = await manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id, ...metadata });
        await assertRefused(update, 400, 'invalid_client_metadata');
      }
    });
    await register(server, { 'client_name#ko': '가'.repeat(100) });
  });

  const reading = (language: string) => {
    const person = new Person(server.issuer);
    person.headers = { 'accept-language': language };
    return person;
  };

  it('is shown to users in their language, at sign-in, consent, sign-out and in their account', async () => {
    const client = await register(server, {
      ...PLAIN,
      ...LOCALIZED,
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code'],
    });
    const { code_verifier: _, ...challenge } = pkce();
    const names = { ko: '산책', en: 'A walk' };
    const pages = {
      ko: [LOCALIZED['tos_uri#ko'], LOCALIZED['policy_uri#ko']],
      en: [PLAIN.tos_uri, PLAIN.policy_uri],
    };
    for (const language of ['ko', 'en'] as const) {
      const [person, credentials] = [reading(language), await server.createPerson()];
      const path = authorizePath(client, challenge);
      const signIn = await person.open(path);
      const consent = await signIn.submit(credentials);
      for (const page of [signIn, consent]) assert(page.html.includes(`<bdi>${names[language]}</bdi>`), page.html);
      const links = [...consent.html.matchAll(/href="(https:\/\/walk\.example[^"]*)"/g)].map(([, link]) => link);
      assert.deepEqual(links.toSorted(), pages[language].toSorted());
      await approve(server, person, credentials, path);
      const shown = [
        await person.open(`/oauth/logout?client_id=${client.client_id}`),
        await openAccount(server, credentials, '/account/apps', person),
        await openAccount(server, credentials, '/account/activity', person),
      ];
      for (const page of shown) {
        assert(page.html.includes(`<bdi>${names[language]}</bdi>`), page.html);
        assert(!page.html.includes(names[language === 'ko' ? 'en' : 'ko']), page.url.pathname);
      }
    }
  });

  it('falls back to the plain metadata when a language is missing', async () => {
    const client = await register(server, { 'client_name#ko': '산책' });
    const { code_verifier: _, ...challenge } = pkce();
    for (const [language, name] of [
      ['ko', '산책'],
      ['en', METADATA.client_name],
    ] as const) {
      const { html } = await reading(language).open(authorizePath(client, challenge));
      assert(html.includes(`<bdi>${name}</bdi>`), html);
    }
  });
});
