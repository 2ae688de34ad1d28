import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import { openAccount } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials, obtainTokens } from '../support/flow.ts';

describe('Who uses a client', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('is told in numbers: people, live tokens, weeks; never by name', async () => {
    const owner = await server.createPerson();
    const client = await server.createClient();
    await server.database.change(addOwner(client.client_id, owner.id));
    const path = `/developer/clients/${client.client_id}/use`;
    const page = await openAccount(server, owner, path);
    const figures = (html: string) => [...html.matchAll(/<dd>([^<]*)<\/dd>/g)].map(([, text]) => text);
    assert.deepEqual(figures(page.html), ['0', '0', '0', '0', 'No use on record']);
    const people = await Promise.all(['김하나', '이두리', '박서이'].map((name) => server.createPerson({ name })));
    for (const person of people) await obtainTokens(server, client, person, { scope: 'openid profile offline_access', prompt: 'consent' });
    await clientCredentials(server, client);
    await server.sql(`update grant_record set created_at = now() - interval '14 days' where account_id = $1`, [people[0]?.id]);
    await server.sql(`update grant_record set created_at = now() - interval '700 days' where account_id = $1`, [people[1]?.id]);
    const used = await page.person.open(path);
    assert.deepEqual(figures(used.html).slice(0, 4), ['3', '3', '3', '1']);
    const weeks = [...used.html.matchAll(/<td>([^<]*)<\/td>/g)].map(([, text]) => text);
    assert.deepEqual(weeks, ['1', '0', '1', ...Array.from({ length: 9 }, () => '0')]);
    for (const { email, username } of people) assert(!used.html.includes(email) && !used.html.includes(username));
    assert.doesNotMatch(used.html, /김하나|이두리|박서이/);
  });

  it("another owner's is not there", async () => {
    const client = await server.createClient();
    const page = await openAccount(server, await server.createPerson(), '/account');
    assert.equal((await page.person.open(`/developer/clients/${client.client_id}/use`)).response.status, 404);
  });
});
