import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { METADATA, manage, type RegisteredClient, register, sendRegistration } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

/** What a stranger may send instead of metadata, so that it is stored, shown, or crashes the server. */
const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const many = (members: number) => Object.fromEntries(Array.from({ length: members }, (_, n) => [`m${n}`, 'x']));
const NAMES = ['a\u202eb', '\u2066Bank\u2069', 'Ba\u200bnk', 'a\0b', '\ud800', 'a\nb', '\u001b[31m', '\u3164', 'Мunjigi', 'Munj1gi'];
const UNSEEN = ['\u2800', '\uffa0', '\u0301', '\u200d', '\u{e0041}', 'Wa\u200dlk', ' \u3000 '];

describe('Hostile metadata at registration', () => {
  let server: TestServer;
  let client: RegisteredClient;
  before(async () => {
    server = await startTestServer({ logLevel: 'warn' });
    client = await register(server);
  });
  after(() => server.close());

  /** Asserts a refusal with a reason, by POST and by PUT. Only the attempt is stored. */
  async function refused(metadata: Record<string, unknown> | string, statuses = [400]): Promise<void> {
    const what = (typeof metadata === 'string' ? metadata : JSON.stringify(metadata)).slice(0, 80);
    const heard = async (answer: Response) => {
      assert(statuses.includes(answer.status), `${what}: ${answer.status}`);
      const { error, error_description } = (await answer.json()) as Record<string, unknown>;
      assert.equal(typeof error, 'string', what);
      assert(String(error_description).length > 10 && String(error_description).length < 400, `${what}: ${error_description}`);
    };
    await unchanged(server, async () => heard(await sendRegistration(server, metadata)), ['rate_limit']);
    await server.sql('delete from rate_limit');
    if (typeof metadata === 'string') return;
    await unchanged(server, async () => heard(await manage(server, client, 'PUT', { ...metadata, client_id: client.client_id })));
  }

  it('with deceptive names is refused in every language', async () => {
    for (const name of [...NAMES, ...UNSEEN])
      for (const member of ['client_name', 'client_name#ko']) await refused({ ...METADATA, [member]: name });
  });

  it('with code is refused as a link and as a redirect URI, in any spelling', async () => {
    for (const code of [
      'javascript:alert(1)',
      'JaVaScRiPt:alert(1)',
      'java\tscript:alert(1)',
      '\u0001javascript:alert(1)',
      'javascript\n:alert(1)',
    ]) {
      await refused({ ...METADATA, client_uri: code });
      await refused({ ...METADATA, redirect_uris: [code] });
      await refused({ ...METADATA, application_type: 'native', redirect_uris: [code] });
    }
  });

  it('with a statement of fifty kilobytes, or an invalid one, is refused', async () => {
    await refused({ ...METADATA, software_statement: `e30.${'x'.repeat(50_000)}.x` }, [413]);
    await refused({ ...METADATA, software_statement: `e30.${'x'.repeat(9_000)}.x` });
    await refused({ ...METADATA, software_statement: `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.` });
    const nested = Buffer.from(deep(2_000)).toString('base64url').slice(0, 8_000);
    await refused({ ...METADATA, software_statement: `eyJhbGciOiJFUzI1NiJ9.${nested}.x` });
  });

  it('with endless members is refused, or they are dropped: none is stored', async () => {
    await refused(JSON.stringify({ ...METADATA, ...many(10_000) }), [413]);
    await refused(`{"redirect_uris":${deep(2_500)}}`, [400, 413]);
    await refused({ ...METADATA, redirect_uris: Array(10_000).fill('https://walk.example/cb').slice(0, 400) });
    const few = await register(server, { ...many(500), nested: JSON.parse(deep(500)) });
    const [row] = await server.sql('select metadata::text from client where id = $1', [few.client_id]);
    assert.doesNotMatch(String(row?.['metadata']), /"m\d+"|nested/);
  });

  it('with __proto__ and similar names sets nothing, in a request or a name', async () => {
    const poison = '"__proto__":{"publisher":"Bank","admin_scopes":["admin:read"]},"constructor":{"prototype":{"publisher":"Bank"}}';
    const answer = await sendRegistration(server, `{"redirect_uris":["https://walk.example/cb"],${poison}}`);
    assert([201, 400].includes(answer.status));
    assert.doesNotMatch(await answer.text(), /publisher|admin_scopes/);
    assert.equal(({} as Record<string, unknown>)['publisher'], undefined);
    for (const client_name of ['__proto__', 'constructor', 'toString']) await register(server, { client_name });
    assert.deepEqual(await server.sql(`select 1 from client where publisher is not null or admin_scopes <> '{}'`), []);
  });
});
