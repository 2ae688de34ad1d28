import assert from 'node:assert/strict';
import { Session } from 'node:inspector/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startTestServer, type TestServer } from './support/environment.ts';
import { callApi, createResourceServerClient, introspect, obtainTokens, post } from './support/flow.ts';

const SRC = resolve(import.meta.dirname, '../src');

// A reader who follows one token opens these. A change may lower the numbers, and raises them for a reason alone. The aim is 45 files in 10 folders.
const MOST_FILES = 116;
const MOST_FOLDERS = 24;

/** One walk: authorize, sign in, consent, code, token, API, introspection, revocation. */
describe('One token, walked', () => {
  let server: TestServer;
  const inspector = new Session();
  before(async () => {
    server = await startTestServer();
    inspector.connect();
  });
  after(async () => {
    inspector.disconnect();
    await server.close();
  });

  it(`runs code of at most ${MOST_FILES} files in ${MOST_FOLDERS} folders`, async () => {
    const [client, api, person] = [await server.createClient(), await createResourceServerClient(server), await server.createPerson()];
    // What runs once in a process, such as the first look at a client, is no part of the walk.
    await obtainTokens(server, client, await server.createPerson());
    await inspector.post('Profiler.enable');
    await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    const { access_token } = await obtainTokens(server, client, person);
    assert.equal((await callApi(server, '/api/me', access_token)).status, 200);
    assert.equal((await introspect(server, api, access_token))['active'], true);
    await post(server, '/oauth/revoke', client, { token: access_token });
    const { result } = await inspector.post('Profiler.takePreciseCoverage');
    await inspector.post('Profiler.stopPreciseCoverage');
    const ran = result
      .filter(
        ({ url, functions }) =>
          url.startsWith('file:') && functions.some(({ functionName, ranges }) => functionName && (ranges[0]?.count ?? 0) > 0),
      )
      .map(({ url }) => fileURLToPath(url))
      .filter((file) => file.startsWith(join(SRC, '/')) && !file.includes('/prisma/'))
      .map((file) => relative(SRC, file));
    const folders = new Set(ran.map(dirname));
    console.log(`one walk: ${ran.length} files in ${folders.size} folders`);
    assert(ran.length > 30);
    assert(ran.length <= MOST_FILES && folders.size <= MOST_FOLDERS, [...ran].sort().join('\n'));
  });
});
