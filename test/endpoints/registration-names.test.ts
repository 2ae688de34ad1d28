import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { saveClient, unverifyClient, verifyClient } from '../../src/oauth/clients/store.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, type RegisteredClient, register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

describe("A name similar to a verified client's", () => {
  let server: TestServer;
  let bell: RegisteredClient;
  before(async () => {
    server = await startTestServer();
    bell = await register(server, { client_name: 'Moonbell', 'client_name#ko': '달의 종' });
    await server.database.change(verifyClient(bell.client_id, 'Bell & Sons'));
    await heardOf(server, 'Moonbell');
  });
  after(() => server.close());

  const ask = (node: TestServer, metadata: object) => askToRegister(node, { ...METADATA, ...metadata });
  /** A node learns of a verification a moment later. */
  const heardOf = (node: TestServer, client_name: string) =>
    eventually(`${client_name} is taken`, async () => (await ask(node, { client_name })).status === 400);
  const refused = async (node: TestServer, metadata: Record<string, string>, why: RegExp) => {
    const body = await assertRefused(await unchanged(server, () => ask(node, metadata)), 400, 'invalid_client_metadata');
    assert.match(String(body['error_description']), why);
    assert.match(String(body['error_description']), /^[\x20-\x7e]+$/);
  };

  it('is refused in every member with a client name, on every node, with a reason', async () => {
    const second = await server.secondNode();
    try {
      await heardOf(second, 'Moonbell');
      for (const node of [server, second]) {
        for (const name of ['Moonbell', 'MOONBELL', 'Moon bell', 'Мооnbеll', 'M00nbe11', 'Moonbeli', 'Moonbel1', 'Ｍoonbell'])
          for (const member of ['client_name', 'client_name#ko', 'client_name#en'])
            await refused(
              node,
              { [member]: name },
              new RegExp(`^${member} is too similar to the name "Moonbell" of a client whose publisher is verified`),
            );
        await refused(node, { client_name: '달의  종!' }, /name "\\ub2ec\\uc758 \\uc885" of a client/);
      }
    } finally {
      await second.close();
    }
  });

  it("is refused if it resembles the server's own name", async () => {
    for (const name of ['Munjigi', 'MUNJIGI', 'Мunjigi', 'Munjigi Support', '문지기', '문지기 계정'])
      await refused(server, { client_name: name }, /^client_name is too similar to this server's own name: choose one/);
  });

  it('is free if it is merely different', async () => {
    for (const client_name of ['Moon', 'Bell', 'Moonbell Sync', '달', 'Walk']) await register(server, { client_name });
  });

  it('is refused in an update; a client may keep its current name', async () => {
    const [before, other] = [await register(server, { client_name: 'Sunbells' }), await register(server)];
    const verified = await register(server, { client_name: 'Sunbells' });
    await server.database.change(verifyClient(verified.client_id, 'Sun'));
    await heardOf(server, 'Sunbells');
    const update = (client: RegisteredClient, client_name: string) =>
      manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id, client_name });
    await assertRefused(await unchanged(server, () => update(other, 'Sunbell5')), 400, 'invalid_client_metadata');
    assert.equal((await update(before, 'Sunbells')).status, 200, 'it had the name first');
    assert.equal((await update(verified, 'Sunbells!')).status, 200, 'a name of its own is like its own');
  });

  it('is free again when no verified client has it', async () => {
    const client_id = 'passing';
    await server.database.transaction(saveClient({ ...METADATA, client_id, client_name: 'Starfish', token_endpoint_auth_method: 'none' }));
    await register(server, { client_name: 'Starfish' });
    await server.database.change(verifyClient(client_id, 'Sea'));
    await heardOf(server, 'Starfish');
    await server.database.change(unverifyClient(client_id));
    await eventually('it is free', async () => (await ask(server, { client_name: 'Starfish' })).status === 201);
  });
});
