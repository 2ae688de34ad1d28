import assert from 'node:assert/strict';
import { it } from 'node:test';
import pg from 'pg';
import { startTestServer } from '../support/environment.ts';
import { waitingForLocks } from '../support/lock.ts';
import { waitUntil } from '../support/processes.ts';
import { METADATA, manage, register } from '../support/registration.ts';

it('a client that is deleted during its own update is not restored (RFC 7592 section 2.2)', async () => {
  const server = await startTestServer();
  try {
    const client = await register(server, METADATA);
    const operator = new pg.Client({ connectionString: server.config.databaseUrl });
    await operator.connect();
    await operator.query('begin');
    await operator.query('delete from client where id = $1', [client.client_id]);
    const changed = manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id, client_name: 'Back again' });
    await waitUntil(async () => (await waitingForLocks(server)).length > 0);
    await operator.query('commit');
    await operator.end();
    assert.equal((await changed).status, 401);
    assert.deepEqual(await server.sql('select id from client where id = $1', [client.client_id]), []);
    assert.deepEqual(await server.sql(`select 1 from audit_event where type = 'client_changed'`), []);
  } finally {
    await server.close();
  }
});
