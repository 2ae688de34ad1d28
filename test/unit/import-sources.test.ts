import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type Draft, dropped } from '../../src/features/moving-in/draft.ts';
import { readExport, type SourceName } from '../../src/features/moving-in/sources.ts';
import { AUTH0, HYDRA, KEYCLOAK } from '../support/foreign-exports.ts';

const SCOPES = ['openid', 'profile', 'email'];

const folder = mkdtempSync(join(tmpdir(), 'sources-'));
let files = 0;

async function read(from: SourceName, document: unknown): Promise<Draft[]> {
  const file = join(folder, `${++files}.json`);
  writeFileSync(file, typeof document === 'string' ? document : JSON.stringify(document));
  return [...(await readExport(from, file)).drafts(SCOPES)];
}
const one = async (from: SourceName, client: object): Promise<Draft> => {
  const [draft] = await read(from, [client]);
  assert(draft);
  return draft;
};
const why = (draft: Draft, field: string) => draft.fields.filter((note) => note.field === field).map((note) => note.why ?? note.outcome);

describe('Exports of other servers', () => {
  after(() => rmSync(folder, { recursive: true }));

  it("are refused where another server's export is expected, with a sentence that names the expected one", async () => {
    for (const [from, document, said] of [
      ['keycloak', '{"realm":"x"', /no JSON/],
      ['keycloak', HYDRA, /--from hydra/],
      ['keycloak', AUTH0, /--from auth0/],
      ['hydra', KEYCLOAK, /--from keycloak/],
      ['hydra', AUTH0, /--from auth0/],
      ['hydra', null, /Ory Hydra/],
      ['auth0', HYDRA, /--from hydra/],
      ['auth0', KEYCLOAK, /--from keycloak/],
      ['auth0', '"x"', /Auth0/],
      ['keycloak', `{"clients":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, /nests deeper/],
    ] as const)
      await assert.rejects(() => read(from, document), said, from);
  });

  it('are refused without quoting a secret', async () => {
    await assert.rejects(
      () => read('hydra', '[{"client_secret":"very-secret"'),
      (error: Error) => !error.message.includes('very-secret'),
    );
  });

  it('get a new secret in place of one that is weak or no secret', async () => {
    const secretOf = async (client_secret: unknown) =>
      (await one('hydra', { client_id: 'c', grant_types: ['client_credentials'], client_secret })).secret.kind;
    assert.equal(await secretOf('fU2w8Kq0ZbX5nR7tLy3vCa'), 'kept');
    for (const weak of [
      'secret',
      'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
      '**********',
      '$2a$10$abcdefghijklmnopqrstuv',
      '비밀비밀비밀비밀비밀비밀비밀비밀비밀비밀비밀',
      `sha256:${'0123456789abcdef'.repeat(4)}`,
      7,
      undefined,
    ])
      assert.equal(await secretOf(weak), 'reissue', String(weak));
    const open = await one('hydra', {
      client_id: 'c',
      redirect_uris: ['https://a.example/cb'],
      token_endpoint_auth_method: 'none',
      client_secret: 'fU2w8Kq0ZbX5nR7tLy3vCa',
    });
    assert.equal(open.secret.kind, 'none');
  });

  it('with wildcard redirect URIs are refused one by one, each with a correction', async () => {
    const [shop] = (await read('keycloak', KEYCLOAK)).filter(({ clientId }) => clientId === 'shop');
    assert(shop);
    assert.deepEqual(shop.metadata['redirect_uris'], ['https://shop.example/cb']);
    const reasons = why(shop, 'redirectUris').filter((reason) => /wildcard/.test(reason));
    assert.deepEqual(
      reasons.map((reason) => / such as (\S+)$/.exec(reason)?.[1]),
      ['https://shop.example/callback', 'https://www.shop.example/cb', 'http://localhost:3000/callback'],
    );
    assert.deepEqual(shop.metadata['post_logout_redirect_uris'], ['https://shop.example/cb', 'https://shop.example/bye']);
  });

  it('with the implicit flow get the code flow, and the draft says that the app must change', async () => {
    const draft = await one('auth0', {
      client_id: 'c',
      app_type: 'spa',
      callbacks: ['https://a.example/cb'],
      grant_types: ['implicit', 'password', 'client_credentials'],
    });
    assert.deepEqual(draft.metadata['grant_types'], ['authorization_code']);
    assert.equal(draft.refusal, undefined);
    assert.ok(why(draft, 'grant_types').includes('the app has to be changed to it, with PKCE'));
  });

  it('with only unknown scopes get openid alone, and not all scopes', async () => {
    const machine = { client_id: 'nightly', grant_types: ['client_credentials'], scope: 'reports bills' };
    const draft = await one('hydra', machine);
    assert.equal(draft.metadata['scope'], 'openid');
    assert.match(why(draft, 'scope').join(), /no API here has such a scope.*nothing else/);
    const there = { clientId: 'nightly', serviceAccountsEnabled: true, standardFlowEnabled: false, defaultClientScopes: ['reports'] };
    assert.equal((await one('keycloak', there)).metadata['scope'], 'openid');
  });

  it('are described without the part before an @ in an address, and in bounded length', async () => {
    const draft = await one('hydra', {
      client_id: 'c',
      redirect_uris: ['https://user:hidden@a.example/cb', `https://a.example/${'x'.repeat(3_000)}`],
    });
    assert.equal(draft.refusal, undefined);
    assert.match(why(draft, 'grant_types').join(), /no redirect URI is left/);
    assert.ok(!JSON.stringify(draft.fields).includes('hidden'));
    assert.ok(draft.fields.every(({ from = '' }) => from.length <= 201));
    dropped(draft, 'x', 'y', '//a:b@c');
    assert.equal(draft.fields.at(-1)?.from, '//…@c');
  });

  it('have a note for every field with a value, also for unknown fields', async () => {
    for (const [from, list] of [
      ['keycloak', KEYCLOAK.clients],
      ['hydra', HYDRA],
      ['auth0', AUTH0],
    ] as const)
      for (const client of list) {
        const draft = await one(from, client);
        if (draft.passedOver) continue;
        const odd = await one(from, { ...client, oddity: { a: 1 }, empty: [], off: false });
        assert.deepEqual(odd.fields.length, draft.fields.length + 1);
        assert.deepEqual(why(odd, 'oddity'), ['this server has nothing like it']);
      }
  });
});
