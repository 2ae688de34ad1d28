import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Draft, dropped } from '../../src/features/moving-in/draft.ts';
import { readExport, type SourceName } from '../../src/features/moving-in/sources.ts';
import { AUTH0, HYDRA, KEYCLOAK } from '../support/foreign-exports.ts';

const SCOPES = ['openid', 'profile', 'email'];

const read = (from: SourceName, document: unknown): Draft[] => [
  ...readExport(from, typeof document === 'string' ? document : JSON.stringify(document)).drafts(SCOPES),
];
const one = (from: SourceName, client: object): Draft => {
  const [draft] = read(from, [client]);
  assert(draft);
  return draft;
};
const why = (draft: Draft, field: string) => draft.fields.filter((note) => note.field === field).map((note) => note.why ?? note.outcome);

describe('Exports of other servers', () => {
  it('are told apart: each is refused where another is expected, in one sentence that says which', () => {
    for (const [from, document, said] of [
      ['keycloak', '{"realm":"x"', /no JSON/],
      ['keycloak', HYDRA, /realm export/],
      ['keycloak', AUTH0, /realm export/],
      ['hydra', KEYCLOAK, /Ory Hydra/],
      ['hydra', AUTH0, /Ory Hydra/],
      ['hydra', null, /Ory Hydra/],
      ['auth0', HYDRA, /Auth0/],
      ['auth0', KEYCLOAK, /Auth0/],
      ['auth0', '"x"', /Auth0/],
      ['keycloak', `{"clients":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, /realm export/],
    ] as const)
      assert.throws(() => read(from, document), said, from);
  });

  it('say nothing of a secret in what is wrong with them', () => {
    assert.throws(
      () => read('hydra', '[{"client_secret":"very-secret"'),
      (error: Error) => !error.message.includes('very-secret'),
    );
  });

  it('may name a secret that does not go on, since it could be guessed, or is none', () => {
    const secretOf = (client_secret: unknown) =>
      one('hydra', { client_id: 'c', grant_types: ['client_credentials'], client_secret }).secret.kind;
    assert.equal(secretOf('fU2w8Kq0ZbX5nR7tLy3vCa'), 'kept');
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
      assert.equal(secretOf(weak), 'reissue', String(weak));
    const open = one('hydra', {
      client_id: 'c',
      redirect_uris: ['https://a.example/cb'],
      token_endpoint_auth_method: 'none',
      client_secret: 'fU2w8Kq0ZbX5nR7tLy3vCa',
    });
    assert.equal(open.secret.kind, 'none');
  });

  it('have patterns for addresses, which are refused one by one, with what to write instead', () => {
    const [shop] = read('keycloak', KEYCLOAK).filter(({ clientId }) => clientId === 'shop');
    assert(shop);
    assert.deepEqual(shop.metadata['redirect_uris'], ['https://shop.example/cb']);
    const reasons = why(shop, 'redirectUris').filter((reason) => /wildcard/.test(reason));
    assert.deepEqual(
      reasons.map((reason) => / such as (\S+)$/.exec(reason)?.[1]),
      ['https://shop.example/callback', 'https://www.shop.example/cb', 'http://localhost:3000/callback'],
    );
    assert.deepEqual(shop.metadata['post_logout_redirect_uris'], ['https://shop.example/cb', 'https://shop.example/bye']);
  });

  it('give an app that takes tokens from an address a code instead, and say that it has to be changed', () => {
    const draft = one('auth0', {
      client_id: 'c',
      app_type: 'spa',
      callbacks: ['https://a.example/cb'],
      grant_types: ['implicit', 'password', 'client_credentials'],
    });
    assert.deepEqual(draft.metadata['grant_types'], ['authorization_code']);
    assert.equal(draft.refusal, undefined);
    assert.ok(why(draft, 'grant_types').includes('the app has to be changed to it, with PKCE'));
  });

  it('leave a client whose scopes are not here with next to none, rather than with all that there are', () => {
    const machine = { client_id: 'nightly', grant_types: ['client_credentials'], scope: 'reports bills' };
    const draft = one('hydra', machine);
    assert.equal(draft.metadata['scope'], 'openid');
    assert.match(why(draft, 'scope').join(), /no API here has such a scope.*nothing else/);
    const there = { clientId: 'nightly', serviceAccountsEnabled: true, standardFlowEnabled: false, defaultClientScopes: ['reports'] };
    assert.equal(one('keycloak', there).metadata['scope'], 'openid');
  });

  it('are told of without what stands before an @ in an address, and not at length', () => {
    const draft = one('hydra', {
      client_id: 'c',
      redirect_uris: ['https://user:hidden@a.example/cb', `https://a.example/${'x'.repeat(3_000)}`],
    });
    assert.match(String(draft.refusal), /no redirect URI is left/);
    assert.ok(!JSON.stringify(draft.fields).includes('hidden'));
    assert.ok(draft.fields.every(({ from = '' }) => from.length <= 201));
    dropped(draft, 'x', 'y', '//a:b@c');
    assert.equal(draft.fields.at(-1)?.from, '//…@c');
  });

  it('have every field told of that says something, also those that nobody knows', () => {
    for (const [from, list] of [
      ['keycloak', KEYCLOAK.clients],
      ['hydra', HYDRA],
      ['auth0', AUTH0],
    ] as const)
      for (const client of list) {
        const draft = one(from, client);
        if (draft.passedOver) continue;
        const odd = one(from, { ...client, oddity: { a: 1 }, empty: [], off: false });
        assert.deepEqual(odd.fields.length, draft.fields.length + 1);
        assert.deepEqual(why(odd, 'oddity'), ['this server has nothing like it']);
      }
  });
});
