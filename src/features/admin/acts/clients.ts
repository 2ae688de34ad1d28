import { z } from 'zod';
import { endSecret, findClientOfSecret } from '../../../oauth/clients/live-secrets.ts';
import * as store from '../../../oauth/clients/store.ts';
import { ADMIN_SCOPES, type AdminScope } from '../../../oauth/scopes/admin-scopes.ts';
import { countPeople, endClient } from '../../../oauth/store/grants.ts';
import { type Act, done, NOTHING, nameInWords, refused } from '../../../pages/operators/act.ts';
import { type ChangedClient, changedClient, doToClient } from '../../../pages/operators/on-client.ts';
import { Prisma } from '../../../platform/database.ts';
import { mustFind } from '../../../platform/sql-errors.ts';
import { allowAdminScopes as adminScopesOf, readAdminScopes } from '../client-scopes.ts';

/** Owns the operators' acts on clients. The server's own clients are excluded: without them, no operator could sign in to undo the act. */

const ENDED = z.object({ id: z.string(), ended: z.int() });
type Ended = z.infer<typeof ENDED>;

export const verifyClient: Act<{ publisher: string }, ChangedClient> = {
  summary: 'Mark a client as verified, with its publisher. A change of its metadata ends the verification',
  scope: 'admin:clients',
  input: z.strictObject({ publisher: nameInWords }),
  result: changedClient,
  run: (app, id, { publisher }) =>
    doToClient(app, id, [store.verifyClient(id, publisher)], { type: 'client_verified', detail: { publisher } }),
};

export const unverifyClient: Act<object, ChangedClient> = {
  summary: 'Remove the verification of a client',
  scope: 'admin:clients',
  input: NOTHING,
  result: changedClient,
  run: (app, id) => doToClient(app, id, [store.unverifyClient(id)], { type: 'client_unverified' }),
};

export const suspendClient: Act<object, Ended> = {
  summary: 'Suspend a client, and end its codes, tokens and grants; `ended` counts them',
  scope: 'admin:clients',
  input: NOTHING,
  result: ENDED,
  async run(app, id) {
    const suspended = await doToClient(app, id, [store.suspendClient(id)], { type: 'client_suspended' });
    if (!suspended.ok) return suspended;
    // End access only after the suspension, so that no token issued in between is missed.
    return done({ id, ended: await endClient(app.database, id) });
  },
};

export const endClientSecret: Act<object, ChangedClient> = {
  summary: 'End one client secret at once, by its id',
  scope: 'admin:clients',
  input: NOTHING,
  result: changedClient,
  async run(app, name) {
    const clientId = await findClientOfSecret(app.database, name);
    const ending = clientId && endSecret(clientId, name);
    if (!ending) return refused('unknown');
    const ended = await doToClient(app, clientId, [mustFind(Prisma.sql`${ending} returning 1`)], { type: 'client_secret_ended' });
    return ended.ok ? done({ id: name }) : ended;
  },
};

export const restoreClient: Act<object, ChangedClient> = {
  summary: 'Restore a suspended client with its secrets. Its earlier tokens and grants stay ended',
  scope: 'admin:clients',
  input: NOTHING,
  result: changedClient,
  // A restored client keeps its old secrets, so any holder of one of them can use the client again.
  run: (app, id) => doToClient(app, id, [store.restoreClient(id)], { type: 'client_restored' }, { givesHold: true }),
};

export const deleteClient: Act<object, ChangedClient & { people: number }> = {
  summary: 'Delete a client with its tokens and grants; `people` counts the users who had granted it access',
  scope: 'admin:clients',
  input: NOTHING,
  result: z.object({ id: z.string(), people: z.int() }),
  async run(app, id) {
    const people = await countPeople(app.database, id);
    // Suspend first, so that no more tokens are issued. Then end the client's access in batches, which one deletion would not do.
    const suspended = await suspendClient.run(app, id, {});
    if (!suspended.ok) return suspended;
    const deleted = await doToClient(app, id, [store.deleteClient(id)], { type: 'client_deleted', detail: { people } });
    return deleted.ok ? done({ id, people }) : deleted;
  },
};

export const requirePkce: Act<object, ChangedClient> = {
  summary: 'Require PKCE of a client. Its requests without a challenge are then refused',
  scope: 'admin:clients',
  input: NOTHING,
  result: changedClient,
  run: (app, id) => doToClient(app, id, [store.requirePkce(id)], { type: 'client_pkce_changed', detail: { required: true } }),
};

export const waivePkce: Act<object, ChangedClient> = {
  summary: 'Stop requiring PKCE of a client. A public client must still use it, and so must one that binds its tokens or requires PAR',
  scope: 'admin:clients',
  input: NOTHING,
  result: changedClient,
  run: (app, id) => doToClient(app, id, [store.waivePkce(id)], { type: 'client_pkce_changed', detail: { required: false } }),
};

export const allowAdminScopes: Act<{ scopes: AdminScope[] }, ChangedClient> = {
  summary: 'Set the admin API scopes that a client may request. An empty list removes them all',
  scope: 'admin:roles',
  input: z.strictObject({ scopes: z.array(z.enum(ADMIN_SCOPES as [AdminScope, ...AdminScope[]])).max(ADMIN_SCOPES.length) }),
  result: changedClient,
  async run(app, id, { scopes }) {
    const before = await readAdminScopes(app.database, id);
    if (!before) return refused('unknown');
    // An operator can neither grant nor remove more than the operator's own rights.
    const touched = ADMIN_SCOPES.filter((scope) => scopes.includes(scope) !== before.includes(scope));
    if (touched.some((scope) => !app.actor.may.includes(scope))) return refused('above');
    const kept = ADMIN_SCOPES.filter((scope) => scopes.includes(scope));
    return doToClient(app, id, [mustFind(adminScopesOf(id, kept, before))], {
      type: 'client_admin_scopes_changed',
      detail: { scopes: kept },
    });
  },
};
