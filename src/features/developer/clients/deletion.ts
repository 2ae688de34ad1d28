import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { deleteClient, suspendClient } from '../../../oauth/clients/store.ts';
import { countPeople, endClient } from '../../../oauth/store/grants.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import type { Visit } from '../../../pages/own-pages.ts';
import { backTo, type OwnPage, recordOwnEvent } from '../../../pages/own-pages.ts';
import { ownClient, pathOf } from './owned.ts';
import { nameOf, showClient } from './page.ts';

/**
 * Owns the deletion of a client with all its grants. The page shows how many users it affects, and the owner must type the client's name.
 */

export const deletion: OwnPage = {
  recent: true,

  async show(visit) {
    await page(visit, await ownClient(visit));
  },

  async submit(visit, form) {
    const client = await ownClient(visit);
    const typed = tidy(form.get('name') ?? '');
    if (typed !== tidy(nameOf(client)) && typed !== client.id) return page(visit, client, 'developer.delete.another');
    const { database } = visit.app;
    const people = await countPeople(database, client.id);
    // Suspend first, so that no more tokens are issued. Then delete the tokens in batches, so that the last transaction stays small.
    await database.change(suspendClient(client.id));
    await endClient(database, client.id);
    await writeTogether(database, [
      // The audit event comes first: statements run in this order.
      { purpose: 'keep', statement: recordOwnEvent(visit, 'client_deleted', { clientId: client.id, detail: { people } }) },
      { purpose: 'end', once: true, statement: deleteClient(client.id) },
    ]);
    backTo(visit, '/developer');
  },
};

const tidy = (text: string): string => text.normalize('NFC').replace(/\s+/g, ' ').trim();

async function page(visit: Visit, client: ClientRecord, problem?: string): Promise<void> {
  showClient(visit, client, 'delete', {
    at: pathOf(client.id, '/delete'),
    people: await countPeople(visit.app.database, client.id),
    ...(problem === undefined ? undefined : { problem }),
  });
}
