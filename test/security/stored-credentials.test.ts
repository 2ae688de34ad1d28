import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { linkOnce } from '../support/link-once.ts';
import { dumpTables } from '../support/storage.ts';
import { startUpstream, type TestUpstream } from '../support/upstream.ts';
import { liveOnce } from '../support/whole-flow.ts';

describe('Nothing in the database is a usable credential', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  const stored = new Map<string, Set<string>>();
  let secrets: Record<string, string>;
  before(async () => {
    server = await startTestServer();
    upstream = await startUpstream();
    const look = async () => {
      for (const [table, rows] of Object.entries(await dumpTables(server)))
        stored.set(table, (stored.get(table) ?? new Set()).union(new Set(rows)));
    };
    secrets = { ...(await liveOnce(server, look)), ...(await linkOnce(server, upstream, look)) };
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });

  it('the flow filled every table that stores a part of it', () => {
    for (const table of [
      'user_account',
      'client',
      'client_secret',
      'grant_record',
      'authorization_code',
      'token',
      'session',
      'protocol_record',
      'upstream_provider',
      'upstream_visit',
      'upstream_identity',
      'upstream_token',
      'upstream_revocation',
    ])
      assert(stored.get(table)?.size, table);
    for (const kind of ['Interaction', 'PushedAuthorizationRequest', 'RegistrationAccessToken', 'ReplayDetection', 'DeviceCode'])
      assert(
        [...(stored.get('protocol_record') ?? [])].some((row) => row.startsWith(`(${kind},`)),
        kind,
      );
  });

  it('no row ever contained a token, code, cookie, secret, uid or password, in any encoding', () => {
    const spellings = (value: string) => [
      value,
      Buffer.from(value).toString('hex'),
      Buffer.from(value).toString('base64').replace(/=+$/, ''),
    ];
    const found = [...stored].flatMap(([table, rows]) =>
      [...rows].flatMap((row) => {
        // Searches values inside a JWT too, such as a pushed request.
        const text = row + [...row.matchAll(/[\w-]{20,}/g)].map(([part]) => Buffer.from(part, 'base64url').toString()).join('');
        return Object.entries(secrets)
          .filter(([, value]) => spellings(value).some((spelling) => text.includes(spelling)))
          .map(([name]) => `${name} in ${table}: ${row}`);
      }),
    );
    assert.deepEqual(found, []);
  });

  it('passwords are argon2id of 19 MiB and two passes or more, and signing keys are encrypted', async () => {
    const people = await server.sql('select password_hash from user_account');
    for (const { password_hash } of people) {
      const [, memory, passes] = /^\$argon2id\$v=19\$m=(\d+),(?:p=1,)?t=(\d+)/.exec(String(password_hash)) ?? [];
      assert(Number(memory) >= 19 * 1024 && Number(passes) >= 2, String(password_hash));
    }
    const keys = await server.sql('select private_jwk from signing_key');
    assert(keys.length > 0);
    for (const { private_jwk } of keys) assert.match(String(private_jwk), /^v1\.[0-9a-f]{8}\.[\w-]+\.[\w-]+$/);
  });

  it('stored values are refused as credentials', async () => {
    const digests = await server.sql(`
      select encode(id, 'hex') as hex, encode(id, 'base64') as base64 from token
      union all select encode(id, 'hex'), encode(id, 'base64') from session
      union all select encode(id, 'hex'), encode(id, 'base64') from protocol_record`);
    assert(digests.length > 0);
    for (const { hex, base64 } of digests)
      for (const value of [String(hex), String(base64), Buffer.from(String(hex), 'hex').toString('base64url')]) {
        const api = await fetch(`${server.issuer}/api/me`, { headers: { authorization: `Bearer ${value}` } });
        assert.equal(api.status, 401);
      }
  });
});
