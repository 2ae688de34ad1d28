import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { identifierProblem } from '../../src/features/developer/apis/api-judgement.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { API, comeToPortal, type Developer, fill, registerApi, SCOPE } from '../support/owned-apis.ts';

describe('Hostile APIs of developers', () => {
  let server: TestServer;
  let owner: Developer;
  let path: string;

  before(async () => {
    server = await startTestServer();
    owner = await comeToPortal(server);
    path = await registerApi(owner);
    await fill(owner, `${path}/scopes`, SCOPE);
  });
  after(() => server.close());

  const everything = async () => [
    await server.sql('select * from resource_server order by identifier'),
    await server.sql('select * from scope order by resource_server_id, name'),
    await server.sql('select id, introspects from client order by id'),
    await server.sql(`select count(*) from audit_event where type like 'resource_server%'`),
  ];

  for (const identifier of [
    'books',
    '/books',
    'urn:books',
    'https:///books.example',
    'https:/books.example',
    'https://books.example#x',
    'https://books.example/#',
    'http://books.example',
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java\tscript:alert(1)',
    'data:text/html,x',
    'https://books.example/\u202egnp',
    'https://bооks.example',
    'https://BOOKS.example',
    'https://books.example:443/v1',
    'https://books.example/a/../v1',
    'https://books.example/%00\0',
    'https://user:secret@books.example',
    'https://books.example\\v1',
    'https://books.example/<script>',
    'https://books.example/v1/',
    'https://books.example/v1?',
    'https://books.example/v1/?',
    'https://other.example/v1?',
    API.identifier,
    `https://books.example/${'x'.repeat(255)}`,
    'https://books.example/ v1',
    '',
  ])
    it(`cannot have the identifier ${JSON.stringify(identifier).slice(0, 60)}`, async () => {
      const before = await everything();
      const page = await fill(owner, '/developer/apis/new', { ...API, identifier });
      assert([422, 400].includes(page.response.status), String(page.response.status));
      assert.deepEqual(await everything(), before);
    });

  for (const name of ['', '   ', '\u2800', '\u3164', '\u0301', '\u200d', '\u{e0041}', 'a\u202eb', 'Bo\u200doks'])
    it(`cannot have the name ${JSON.stringify(name)}`, async () => {
      const before = await everything();
      assert.equal((await fill(owner, '/developer/apis/new', { ...API, identifier: 'https://unseen.example', name })).response.status, 422);
      assert.equal(
        (await fill(owner, `${path}/scopes`, { ...SCOPE, name: 'unseen', title_en: name, ...(!name.trim() && { title_ko: name }) }))
          .response.status,
        422,
      );
      assert.deepEqual(await everything(), before);
    });

  it('cannot have an identifier of this server', async () => {
    const before = await everything();
    for (const place of ['', '/', '/api/posts', '/admin/api', '/anything'])
      assert.equal((await fill(owner, '/developer/apis/new', { ...API, identifier: server.issuer + place })).response.status, 422, place);
    assert.deepEqual(await everything(), before);
    for (const place of ['https://id.example/x', 'https://id.example./x', 'https://id.example.'])
      assert.equal(identifierProblem(place, 'https://id.example'), 'developer.apis.identifier_ours', place);
    assert.equal(identifierProblem('https://id.example.org', 'https://id.example'), undefined);
  });

  it("may be on the developer's own machine in development", async () => {
    const made = await registerApi(owner, { identifier: 'http://127.0.0.1:9999' });
    await fill(owner, `${made}/delete`, { certain: 'yes' });
  });

  const acts: [page: string, fields: Record<string, string>][] = [
    ['', { name: 'Mine', format: 'jwt', lifetime: '60' }],
    ['/scopes', { ...SCOPE, name: 'mine' }],
    ['/scopes', { act: 'change', name: SCOPE.name, title_ko: '가', title_en: 'Mine', position: '1' }],
    ['/scopes', { act: 'delete', name: SCOPE.name }],
    ['/introspection', { make: 'yes' }],
    ['/introspection', { client: '' }],
    ['/delete', { certain: 'yes' }],
  ];

  it("are 404 alike for another owner's API, an unknown one and an invalid id", async () => {
    const stranger = await comeToPortal(server);
    const before = await everything();
    const [row] = await server.sql(`select id from resource_server where owner_id is null order by identifier limit 1`);
    const ids = [
      path,
      `/developer/apis/${randomUUID()}`,
      `/developer/apis/${row?.['id']}`,
      '/developer/apis/%00',
      '/developer/apis/%ED%A0%80',
      '/developer/apis/__proto__',
    ];
    for (const id of ids)
      for (const [page, fields] of acts) {
        assert.match(String((await stranger.browser.open(id + page)).response.status), /^40[04]$/, id + page);
        assert.match(String((await fill(stranger, id + page, fields)).response.status), /^40[04]$/, id + page);
      }
    assert.deepEqual(await everything(), before);
  });

  it('do not change by a form of another site or of a signed-out browser', async () => {
    const before = await everything();
    for (const [page, fields] of [
      ...acts.map(([page, fields]) => [path + page, fields] as const),
      ['/developer/apis/new', { ...API, identifier: 'https://x.example' }] as const,
    ]) {
      assert.equal((await fill({ ...owner, csrf: 'guessed' }, page, fields)).response.status, 403, page);
      const nobody = await fetch(server.issuer + page, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
      assert.equal(nobody.status, 303, page);
    }
    assert.deepEqual(await everything(), before);
  });

  it("are shown with their owner's words as text", async () => {
    const stranger = await comeToPortal(server);
    const name = `<script>alert(1)</script>"'`;
    const at = await registerApi(stranger, { identifier: 'https://script.example', name });
    await fill(stranger, `${at}/scopes`, { ...SCOPE, name: '<img>', title_en: '<b onclick=x>', title_ko: '"><i>' });
    for (const page of ['', '/scopes', '/introspection', '/delete'])
      assert.doesNotMatch((await stranger.browser.open(at + page)).html, /<script>alert|<img>|<b onclick|"><i>/, page);
    assert.doesNotMatch((await stranger.browser.open('/developer/apis')).html, /<script>alert/);
  });
});
