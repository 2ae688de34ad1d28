import { z } from 'zod';
import { addOwner, forgetOwner, leaveClient, listOwners } from '../../../oauth/clients/owners.ts';
import { type Act, refused } from '../../../pages/operators/act.ts';
import { type ChangedClient, changedClient, doToClient } from '../../../pages/operators/on-client.ts';
import { Prisma } from '../../../platform/database.ts';
import { mustFind } from '../../../platform/sql-errors.ts';
import { findAccountRecordById } from '../people.ts';

/**
 * Owns the operators' acts on the owners of a client in the developer portal. Owners invite each other and leave. Only an operator removes
 * an owner, because an invited owner could otherwise take the client over.
 */

const person = z.strictObject({ account: z.string().min(1).max(500).describe("A user's id") });
type Person = z.infer<typeof person>;

export const addClientOwner: Act<Person, ChangedClient> = {
  summary: 'Make a user an owner of a client in the developer portal, without an invitation',
  scope: 'admin:clients',
  input: person,
  result: changedClient,
  async run(app, id, { account }) {
    const found = await findAccountRecordById(app.database, account);
    if (!found || found.disabledAt) return refused('invalid', [{ field: 'account', detail: 'there is no enabled account with this id' }]);
    return doToClient(app, id, [addOwner(id, account)], { type: 'client_owner_joined', accountId: account }, { givesHold: true });
  },
};

export const removeClientOwner: Act<Person, ChangedClient> = {
  summary: 'Remove an owner of a client, with the invitations that the owner sent. The last owner cannot be removed',
  scope: 'admin:clients',
  input: person,
  result: changedClient,
  async run(app, id, { account }) {
    const owners = await listOwners(app.database, id);
    if (owners.length && !owners.some((owner) => owner.id === account))
      return refused('invalid', [{ field: 'account', detail: 'the user is not an owner of this client' }]);
    if (owners.length === 1) return refused('last_owner');
    // Checked again under the client's lock: of two parallel removals, the second one leaves the last owner in place.
    const left = mustFind(Prisma.sql`${leaveClient(id, account)} returning 1`);
    return doToClient(app, id, [left, ...forgetOwner(id, account)], { type: 'client_owner_left', accountId: account });
  },
};
