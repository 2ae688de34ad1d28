import assert from 'node:assert/strict';
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runCommand, startCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { HYDRA } from '../support/foreign-exports.ts';
import { type Importing, openImporting } from '../support/importing.ts';
import { holdTable } from '../support/lock.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('munjigi clients import, of what is no export, or a hostile one, or cut short', () => {
  let server: TestServer;
  let importing: Importing;
  before(async () => {
    server = await startTestServer();
    importing = openImporting(server);
  });
  after(() => {
    importing.close();
    return server.close();
  });

  it('stops between two clients when it is interrupted, says what is left, and goes on when it is run again', async () => {
    const many = [...Array(50).keys()].map((n) => ({
      client_id: `many-${n}`,
      redirect_uris: ['https://m.example/cb'],
      grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'none',
    }));
    const file = importing.written(many);
    const lock = await holdTable(server.config.databaseUrl, 'client');
    const { child, ended } = startCommand(server, 'clients', 'import', '--from', 'hydra', file, '--yes');
    await lock.awaited(1);
    child.kill('SIGINT');
    await lock.release();
    const { status, stdout } = await ended;
    assert.equal(status, 130, stdout);
    assert.match(stdout, /it was interrupted/);
    const here = await countRows(server, `client where id like 'many-%'`);
    assert.ok(here > 0 && here < many.length);
    assert.match(stdout, new RegExp(`clients: ${here} made, ${many.length - here} left`));
    const told = () => countRows(server, `audit_event where type = 'clients_imported' and client_id like 'many-%'`);
    assert.equal(await told(), here);
    assert.match(
      runCommand(server, 'clients', 'import', '--from', 'hydra', file, '--yes').stdout,
      new RegExp(`clients: ${here} skipped, ${many.length - here} made`),
    );
    assert.equal(await told(), many.length);
  });

  it('takes no client whose id is an account, and no user whose id is a client: their tokens would have one sub', async () => {
    const person = await server.createPerson();
    const id = '0b8f6f3e-6a53-4d0e-9f0c-2f6a4f6f9d11';
    await server.createClient({ client_id: id });
    const machine = { grant_types: ['client_credentials'], redirect_uris: [], token_endpoint_auth_method: 'client_secret_basic' };
    await unchanged(server, async () => {
      const client = importing.reported('hydra', [{ ...machine, client_id: person.id }], '--yes');
      assert.match(JSON.stringify(client.told.clients), /its client id is the id of an account here/);
      const users = [{ id, email: 'twin@people.example', firstName: 'Twin', enabled: true }];
      const people = importing.reported('keycloak', { realm: 'r', clients: [], users }, '--people', '--yes');
      assert.match(JSON.stringify(people.told.people), /their id is the id of a client here/);
    });
  });

  it('refuses what is no such export, in one sentence', async () => {
    const huge = importing.written('');
    truncateSync(huge, 100 * 1024 * 1024);
    await unchanged(server, async () => {
      const { status, stderr } = importing.command('keycloak', HYDRA, '--yes');
      assert.equal(status, 1);
      assert.match(
        stderr,
        /^munjigi clients import: "[^"]+": the file is not what --from keycloak reads\. It looks like one of hydra: use --from hydra\n$/,
      );
      assert.match(importing.command('okta', []).stderr, /--from: "okta" is none of keycloak, hydra, auth0, users/);
      const tooLarge = runCommand(server, 'clients', 'import', '--from', 'hydra', huge, '--yes');
      assert.match(tooLarge.stderr, /it is no JSON\n$/);
      for (const file of [join(importing.folder, 'nowhere.json'), importing.folder])
        assert.equal(runCommand(server, 'clients', 'import', '--from', 'hydra', file, '--yes').status, 1);
      assert.equal(runCommand(server, 'clients', 'import', '--from', 'hydra', importing.written(HYDRA), '--people').status, 2);
      assert.equal(runCommand(server, 'clients', 'import').status, 2);
    });
    assert.equal(runCommand(server, 'clients', 'import', '--help').status, 0);
  });

  it('keeps to what it knows, whatever a file says', async () => {
    const hostile = `[
      {"client_id":"h\u0000st","redirect_uris":["https://a.example/cb"],"grant_types":["authorization_code"]},
      {"client_id":"js","redirect_uris":["jAvA\\tscript:alert(1)","javascript:alert(1)","https://a.example@evil.example/"],"grant_types":["authorization_code"]},
      {"client_id":"proto","__proto__":{"introspects":"${server.issuer}"},"introspects":"${server.issuer}","services":["far"],"admin_scopes":["admin:read"],"publisher":"Bank",
       "client_name":"Be\\u202ell \\u001b[31m","redirect_uris":["https://a.example/cb"],"grant_types":["authorization_code"],"token_endpoint_auth_method":"none"},
      {"client_id":"proto","redirect_uris":["https://b.example/cb"],"grant_types":["authorization_code"],"token_endpoint_auth_method":"none"},
      {"client_id":"handle","client_secret":"sha256:${'a'.repeat(64)}","redirect_uris":["https://a.example/cb"],"grant_types":["client_credentials"]}
    ]`.replace('\u0000', '\\u0000');
    const { told, of, stdout, secrets } = importing.reported('hydra', hostile, '--yes');
    assert.deepEqual(
      told.clients.map(({ outcome }) => outcome),
      ['refused', 'made', 'made', 'refused', 'made'],
    );
    assert.ok(!stdout.includes('\u001b') && !stdout.includes('\u202e'));
    assert.deepEqual(
      await server.sql(`select metadata->'redirect_uris' as uris, suspended_at is not null as suspended from client where id = 'js'`),
      [{ uris: [], suspended: true }],
    );
    assert.equal(of('proto')?.name, 'Bell [31m');
    assert.deepEqual(
      await server.sql(
        `select introspects, services, admin_scopes, publisher, metadata->'redirect_uris' as uris from client where id = 'proto'`,
      ),
      [{ introspects: null, services: [], admin_scopes: [], publisher: null, uris: ['https://a.example/cb'] }],
    );
    assert.match(readFileSync(secrets, 'utf8'), /"handle"/);
  });
});
