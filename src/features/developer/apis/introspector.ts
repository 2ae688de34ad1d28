import { MAX_NAME_CHARACTERS } from '../../../oauth/clients/display-name.ts';
import type { Write } from '../../../oauth/store/unit-of-work.ts';
import { recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { type Made, makeClient } from '../clients/making.ts';
import { chooseIntrospector, dismissIntrospector, type OwnedApiWithScopes } from './api-ownership.ts';

/** Owns the creation of a client that only introspects tokens for an API. It authenticates, and has no grant type. */

/** @param form the form of the API's page, which can create one such client. */
export async function makeIntrospector(visit: Visit, own: OwnedApiWithScopes, form: URLSearchParams): Promise<Made> {
  const client_name = [...own.name].slice(0, MAX_NAME_CHARACTERS).join('');
  const members = {
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: [],
    response_types: [],
    redirect_uris: [],
  };
  const along = (clientId: string): Omit<Write, 'subject'>[] => [
    { purpose: 'end', statement: dismissIntrospector(visit.account.id, own.id) },
    { purpose: 'keep', once: true, statement: chooseIntrospector(visit.account.id, own.id, clientId) },
    {
      purpose: 'keep',
      statement: recordOwnEvent(visit, 'resource_server_changed', {
        clientId,
        detail: { resource: own.identifier, changes: ['introspector'] },
      }),
    },
  ];
  const made = await makeClient(visit, form, { client_name, ...members }, along);
  // The API may have the same name as a verified client. Then this client gets no name, since only its owners see it.
  const taken = 'problems' in made && made.problems.some(({ key }) => key === 'developer.name_similar' || key === 'developer.name_ours');
  return taken ? makeClient(visit, form, members, along) : made;
}
