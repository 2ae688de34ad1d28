import { told, type Visit } from '../authorization-server/own-pages.ts';
import { chooseIntrospector, dismissIntrospector, type OwnedApiWithScopes } from '../clients/api-ownership.ts';
import { MAX_NAME_CHARACTERS } from '../clients/display-name.ts';
import { MAX_OWNED_CLIENTS } from '../clients/ownership.ts';
import { makeClient } from './making.ts';

/** A client that does nothing but introspect for an API: it proves who it is, and can ask nobody for anything. */

export type MadeIntrospector = { clientId: string; secret?: string } | { problem: string; values?: Record<string, number> };

export async function makeIntrospector(visit: Visit, own: OwnedApiWithScopes): Promise<MadeIntrospector> {
  const members = {
    client_name: [...own.name].slice(0, MAX_NAME_CHARACTERS).join(''),
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: [],
    response_types: [],
    redirect_uris: [],
  };
  const made = await makeClient(visit, members, (clientId) => [
    { purpose: 'end', statement: dismissIntrospector(visit.account.id, own.id) },
    { purpose: 'keep', once: true, statement: chooseIntrospector(visit.account.id, own.id, clientId) },
    {
      purpose: 'keep',
      statement: told(visit, 'resource_server_changed', { clientId, detail: { resource: own.identifier, changes: ['introspector'] } }),
    },
  ]);
  // Nothing of it is typed: what the library would refuse was judged with the API.
  if ('problem' in made) throw new Error(`a client to introspect was refused: ${made.problem}`);
  return 'tooMany' in made ? { problem: 'developer.too_many_clients', values: { most: MAX_OWNED_CLIENTS } } : made;
}
