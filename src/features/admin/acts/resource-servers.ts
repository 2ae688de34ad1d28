import { z } from 'zod';
import { ownResourceServers } from '../../../oauth/scopes/resource-servers.ts';
import { endAudience } from '../../../oauth/store/audiences.ts';
import { type Act, done, NOTHING, recordActEvent, refused } from '../../../pages/operators/act.ts';
import { mustFind } from '../../../platform/sql-errors.ts';
import { deleteResourceServer, findResourceServerById } from '../resource-server-removal.ts';

/** Owns the operators' acts on the APIs that developers registered. */

const NAMED = z.object({ id: z.string() });

export const deleteDevelopersResourceServer: Act<object, z.infer<typeof NAMED>> = {
  summary: "Delete a developer's API with its scopes, tokens and grants. JWT access tokens are not stored and stay valid until they expire",
  scope: 'admin:clients',
  input: NOTHING,
  result: NAMED,
  async run(app, id) {
    const server = await findResourceServerById(app.database, id);
    if (!server) return refused('unknown');
    if (ownResourceServers(app.config.issuer).some(({ identifier }) => identifier === server.identifier))
      return refused('own_resource_server');
    const owner = server.ownerId === null ? undefined : { accountId: server.ownerId };
    const event = recordActEvent(app, { type: 'resource_server_deleted', ...owner, detail: { identifier: server.identifier } });
    await app.database.transaction([mustFind(deleteResourceServer(server.identifier)), event]);
    // After the deletion: the next owner of the identifier must not learn about tokens issued for the previous API.
    await endAudience(app.database, server.identifier);
    return done({ id });
  },
};
